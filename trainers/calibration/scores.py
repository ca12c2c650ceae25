"""Proper scores: what a probability costs, given what came true.

What the arguments mean, and what is refused, stands in `trainers.calibration.metrics`, from which these are imported.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import numpy as np

from trainers.calibration.inputs import checked_choice
from trainers.calibration.split import read_split

Scale: TypeAlias = Literal["sum", "half", "mean"]
SCALES: Final = ("sum", "half", "mean")


def nll(probs: Any = None, targets: Any = None, *, logits: Any = None) -> float:
    """Mean negative log-likelihood of the target, in nats.

    Of probabilities it is -log p, infinite where a target has probability 0; of `logits` it comes from the logarithm of
    the softmax, finite for all finite logits: no probability underflows on the way.
    """
    split = read_split(probs, targets, logits)
    total = 0.0
    if logits is not None:
        for _, block, labels in split.log_blocks():
            total += float(block[np.arange(len(labels)), labels].sum())
        return -total / len(split.labels)
    for _, block, labels in split.blocks():
        with np.errstate(divide="ignore"):
            total += float(np.log(block[np.arange(len(labels)), labels]).sum())
    return -total / len(split.labels)


def nll_of_logits(logits: Any, targets: Any) -> float:
    """`nll` of softmax(logits): the same as `nll(logits=logits, targets=targets)`."""
    return nll(logits=logits, targets=targets)


def brier(probs: Any = None, targets: Any = None, *, logits: Any = None, scale: Scale = "sum") -> float:
    """Brier score: the mean over samples of the squared distance to the one-hot target, summed over classes; in [0, 2].

    Args:
        probs: (N, C) probabilities.
        targets: (N,) class indices.
        logits: (N, C) scores, instead of `probs`.
        scale: "sum" as said; "half" of it; or the "mean" over classes, both of which some libraries give.

    Source: Brier 1950.
    """
    checked_choice("scale", scale, SCALES)
    split = read_split(probs, targets, logits)
    total = 0.0
    for _, block, labels in split.blocks():
        residual = block.copy()
        residual[np.arange(len(labels)), labels] -= 1.0
        flat = residual.ravel()
        total += float(flat @ flat)
    count, classes = split.values.shape
    divisors: dict[str, int] = {"sum": 1, "half": 2, "mean": classes}
    return float(total / (count * divisors[scale]))


def top_label_brier(probs: Any = None, targets: Any = None, *, logits: Any = None) -> float:
    """Mean squared difference of the predicted class's probability and whether it is right (1 or 0); in [0, 1]."""
    confidence, correct = read_split(probs, targets, logits).top_label()
    return float(np.square(confidence - correct).mean())
