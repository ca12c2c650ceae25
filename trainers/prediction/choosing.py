"""Choosing a transform's parameter on the validation split; pure, numpy only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from trainers.calibration.inputs import Floats, Integers
from trainers.calibration.softmax import log_softmax

# Steps of a twentieth, as quotients, so that a value is written as a person would write it.
LOGIT_ADJUSTMENT_GRID: Final = tuple(step / 20 for step in range(61))  # 0 to 3
TAU_NORM_GRID: Final = tuple(step / 20 for step in range(41))  # 0 to 2, with all 21 values of the source


def choose(grid: tuple[float, ...], logits_at: Callable[[float], Floats], targets: Integers) -> float:
    """The value with the highest mean recall on a validation split; of equals, that with the lowest balanced NLL.

    The mean over classes makes up for a validation split that is long-tailed itself. Recall comes first, because the
    NLL also falls where a value merely scales over-confident logits down, which is a temperature's work; it alone
    changes by so little from value to value that it can tell apart those that find the same samples.

    Args:
        grid: values, the first of what is equal in both is taken.
        logits_at: logits (V, C) of the validation split under a value.
        targets: (V,).
    """
    scores = [balanced_scores(logits_at(value), targets) for value in grid]
    return grid[max(range(len(grid)), key=scores.__getitem__)]


def balanced_scores(logits: Floats, targets: Integers) -> tuple[float, float]:
    """Mean over the classes that have a sample of recall, and of -NLL: the higher, the better."""
    support = np.bincount(targets, minlength=logits.shape[1])
    share = 1 / (support[targets] * np.count_nonzero(support))  # of a sample, so that each class weighs alike
    log_likelihood = log_softmax(logits)[np.arange(len(targets)), targets]
    found = logits.argmax(axis=1) == targets
    # Rounded: sums of the same shares in another order must not decide.
    return round(float((share * found).sum()), 12), float((share * log_likelihood).sum())
