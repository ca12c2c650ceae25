"""Fit a temperature for each of the many, the medium and the few classes of a long-tailed training set."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from trainers.calibration.inputs import Floats, Integers
from trainers.calibration.posthoc.validation import Solution, Split
from trainers.calibration.temperature import HIGHEST, LOWEST, fit_temperature
from trainers.metrics.groups import shots

# A group moves by no more than this factor from the common temperature.
_FACTOR: Final = 20.0


def fit(split: Split, *, kappa: float = 0.01) -> Solution:
    """T_g = exp(log T + delta_g) with the smallest NLL + kappa * sum_g delta_g^2, over T and all delta together.

    A sample belongs to the group of its *predicted* class, since at prediction nothing else is known; so the predicted
    class, and with it the accuracy, stays. The penalty draws a group of few samples to the common temperature; below
    some hundred samples it should. A group without a sample has delta 0.

    Args:
        split: fitted on; with class counts.
        kappa: how strongly groups are drawn together, for each squared unit of log temperature.

    Returns:
        `temperature`: T; `temperatures`: (3,) of many, medium and few; `group`: (C,) index into them. T is in
        [LOWEST, HIGHEST] of `trainers.calibration.temperature`. Facts: samples of each group.

    Raises:
        ValueError: no class counts.
    """
    from scipy.optimize import minimize  # only to fit

    if split.class_counts is None:
        raise ValueError("group_temperature needs class_counts, the training images per class; they make the groups")
    masks = shots(split.class_counts)
    group = np.argmax(np.stack(list(masks.values())), axis=0).astype(np.int64)
    members = group[split.logits.argmax(axis=1)]
    samples = np.bincount(members, minlength=len(masks))

    start = np.array([math.log(fit_temperature(split.logits, split.targets)), *np.zeros(len(masks))])
    reach = math.log(_FACTOR)
    bounds = [(math.log(LOWEST), math.log(HIGHEST)), *((-reach, reach) for _ in samples)]
    objective = Objective(split.logits, split.targets, members, len(masks), kappa)
    options = {"maxiter": 1000, "ftol": 0.0, "gtol": 1e-10}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return Solution(
        {"temperature": math.exp(found[0]), "temperatures": np.exp(found[0] + found[1:]), "group": group},
        {"group_samples": dict(zip(masks, samples.tolist(), strict=True))},
    )


class Objective:
    """NLL + kappa * sum of squared deltas at x = (log T, delta_1, ..., delta_G), and its gradient.

    Args:
        logits: (N, C).
        targets: (N,).
        members: (N,) group of each sample.
        num_groups: G.
        kappa: weight of the penalty.
    """

    def __init__(self, logits: Floats, targets: Integers, members: Integers, num_groups: int, kappa: float) -> None:
        self._shifted = logits - logits.max(axis=1, keepdims=True)
        self._of_target = self._shifted[np.arange(len(targets)), targets]
        self._members, self._num_groups, self._kappa = members, num_groups, kappa

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        """Value and gradient (1 + G,)."""
        inverse = np.exp(-(x[0] + x[1:]))[self._members]
        weights = np.exp(self._shifted * inverse[:, None])
        sums = weights.sum(axis=1)
        expected = (weights * self._shifted).sum(axis=1) / sums
        value = float((np.log(sums) - inverse * self._of_target).mean() + self._kappa * np.square(x[1:]).sum())
        by_sample = (self._of_target - expected) * inverse / len(inverse)
        by_group = np.bincount(self._members, by_sample, self._num_groups)
        return value, np.concatenate([[by_group.sum()], by_group + 2 * self._kappa * x[1:]])
