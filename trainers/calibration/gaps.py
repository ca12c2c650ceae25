"""How far confidence lies from what came true, bin by bin: the cores of the calibration errors, for checked input."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np

from trainers.calibration.bins import Widths
from trainers.calibration.inputs import Floats, Integers
from trainers.calibration.split import Split
from trainers.calibration.tally import Tally, equal_mass, equal_width, equal_width_by_class

Norm: TypeAlias = Literal["l1", "l2", "max"]
"""How the gaps of the bins become one number: their mean, the root of their mean square (both weighted by the bins'
shares of the samples), or the largest."""

NORMS: Final = ("l1", "l2", "max")


def gap_norm(tally: Tally, norm: Norm = "l1", min_count: int = 1) -> Floats:
    """The norm of the gaps, () or (C,) of a tally by class; "max" leaves out bins of fewer than `min_count` samples."""
    if norm == "max":
        return np.asarray(np.where(tally.counts >= min_count, np.abs(tally.gaps()), 0.0).max(axis=-1))
    if norm == "l2":
        return np.asarray(np.sqrt((tally.shares() * np.square(tally.gaps())).sum(axis=-1)))
    # A bin's share times its gap is |sum of its residuals| / N: nothing is divided by the count of a bin.
    total = np.maximum(tally.counts.sum(axis=-1), 1)
    return np.asarray(np.abs(tally.values - tally.hits).sum(axis=-1) / total)


def equal_width_gap(values: Floats, outcomes: Floats, n_bins: int) -> float:
    """Weighted gap over bins of equal width; values (N,) in [0, 1], outcomes (N,) 0 or 1."""
    return float(gap_norm(equal_width(values, outcomes != 0, Widths(n_bins))))


def equal_mass_gap(values: Floats, outcomes: Floats, n_bins: int) -> float:
    """Weighted gap over runs of the samples in the (stable) order of their values, cut as `np.array_split` does."""
    return float(gap_norm(equal_mass(values, outcomes != 0, n_bins)))


def classwise_gap(probs: Floats, targets: Integers, n_bins: int) -> float:
    """Mean over columns of the equal-width gap of each column of probs (N, C), one class against the rest."""
    # The caller has checked: no row is too far from one.
    return float(gap_norm(equal_width_by_class(Split(probs, targets, np.inf), Widths(n_bins))).mean())
