"""Temperature scaling: one number that divides the logits, fitted on the validation split."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from trainers.calibration.inputs import Floats, checked_logits

# Outside of these a temperature says that the split cannot fix one: every sample right, or none better than chance.
LOWEST: Final = 0.05
HIGHEST: Final = 20.0
_STEPS: Final = 100  # some eight are taken; halving alone would need fifty


def fit_temperature(logits: Any, targets: Any) -> float:
    """The T that minimises the NLL of softmax(logits / T).

    NLL is convex in 1 / T, so its slope there has one root; it is sought to a relative 1e-13.

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
    scores, labels = checked_logits(logits, targets)
    shifted = scores - scores.max(axis=1, keepdims=True)
    of_target = float(shifted[np.arange(len(labels)), labels].mean())
    at_lowest = _expected_logit(shifted, 1 / LOWEST)[0] - of_target
    at_highest = _expected_logit(shifted, 1 / HIGHEST)[0] - of_target
    if at_lowest == at_highest == 0:
        return 1.0
    if at_lowest <= 0:
        return LOWEST
    if at_highest >= 0:
        return HIGHEST
    return 1 / _root(shifted, of_target)


def _root(shifted: Floats, of_target: float) -> float:
    """The inverse temperature at which the expected logit is that of the targets.

    Newton's method between two bounds, which every step draws in; a step that leaves them is replaced by their
    geometric mean. Not scipy's `brentq`: to import it takes longer than all the fits of a short run.
    """
    low, high, inverse = 1 / HIGHEST, 1 / LOWEST, 1.0
    for _ in range(_STEPS):
        expected, variance = _expected_logit(shifted, inverse)
        slope = expected - of_target
        if slope == 0:
            break
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        following = inverse - slope / variance if variance > 0 else 0.0
        if not low < following < high:
            following = math.sqrt(low * high)
        moved, inverse = abs(following - inverse), following
        if moved <= 1e-13 * inverse:
            break
    return inverse


def _expected_logit(shifted: Floats, inverse: float) -> tuple[float, float]:
    """Mean over samples of sum_k p_k z_k with p = softmax(inverse * z), and its slope in `inverse`: the mean variance.

    The largest z of each row is 0.
    """
    weights = np.exp(inverse * shifted)
    weights /= weights.sum(axis=1, keepdims=True)
    means = (weights * shifted).sum(axis=1)
    squares = (weights * np.square(shifted)).sum(axis=1)
    return float(means.mean()), float((squares - np.square(means)).mean())
