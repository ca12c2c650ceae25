"""Temperature scaling: one number that divides the logits, fitted on the validation split."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from trainers.calibration.inputs import Floats, checked_logits

# Outside of these a temperature says that the split cannot fix one: every sample right, or none better than chance.
LOWEST: Final = 0.05
HIGHEST: Final = 20.0


def fit_temperature(logits: Any, targets: Any) -> float:
    """The T that minimises the NLL of softmax(logits / T).

    NLL is convex in 1 / T, so its slope has one root; it is sought in u = log T, to 1e-12.

    Args:
        logits: (N, C) finite scores of the validation split, never of the test split.
        targets: (N,) integers in [0, C).

    Returns:
        T in [LOWEST, HIGHEST]. LOWEST where the NLL falls all the way down (every sample right), HIGHEST where it falls
        all the way up (no better than chance), 1.0 where every temperature fits equally (each row constant).

    Raises:
        ValueError: bad shapes, no sample, NaN or infinity, a target that is no class index.

    Source: Guo et al., ICML 2017.
    """
    from scipy.optimize import brentq  # a third of a second to import, and most runs fit nothing

    scores, labels = checked_logits(logits, targets)
    shifted = scores - scores.max(axis=1, keepdims=True)
    of_target = float(shifted[np.arange(len(labels)), labels].mean())

    def slope(log_temperature: float) -> float:
        return _expected_logit(shifted, math.exp(-log_temperature)) - of_target

    lowest, highest = math.log(LOWEST), math.log(HIGHEST)
    at_lowest, at_highest = slope(lowest), slope(highest)
    if at_lowest == at_highest == 0:
        return 1.0
    if at_lowest <= 0:
        return LOWEST
    if at_highest >= 0:
        return HIGHEST
    return math.exp(brentq(slope, lowest, highest, xtol=1e-12, rtol=1e-14))


def _expected_logit(shifted: Floats, inverse: float) -> float:
    """Mean over samples of sum_k p_k z_k with p = softmax(inverse * z); the largest z of each row is 0."""
    weights = np.exp(inverse * shifted)
    return float(((weights * shifted).sum(axis=1) / weights.sum(axis=1)).mean())
