"""From logits to log-probabilities, in float64: in half precision a confidence is 1.0 from a logit gap of 6 to 8 on."""

from __future__ import annotations

import numpy as np

from trainers.calibration.inputs import Floats, Integers


def log_softmax(logits: Floats) -> Floats:
    """Log-probabilities (N, C) of logits (N, C); finite for every finite logit."""
    shifted: Floats = logits - logits.max(axis=1, keepdims=True)
    normaliser: Floats = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted - normaliser


def nll_of_log_probs(log_probs: Floats, targets: Integers) -> float:
    """Mean -log p of the target, in nats; from log-probabilities, because log(p) is infinite where p underflows."""
    return float(-log_probs[np.arange(len(targets)), targets].mean())
