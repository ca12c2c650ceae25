"""How far confidence lies from accuracy, bin by bin: the cores of the calibration errors, for checked input.

A residual is confidence minus outcome. A bin's share of samples times its gap is |sum of its residuals| / N, so no bin
is divided by its count and an empty one adds nothing.
"""

from __future__ import annotations

import numpy as np

from trainers.calibration.bins import bin_index
from trainers.calibration.inputs import Floats, Integers


def equal_width_gap(values: Floats, outcomes: Floats, n_bins: int) -> float:
    """Weighted gap over bins of equal width; values (N,) in [0, 1], outcomes (N,) 0 or 1."""
    sums = np.bincount(bin_index(values, n_bins), values - outcomes, n_bins)
    return float(np.abs(sums).sum() / len(values))


def equal_mass_gap(values: Floats, outcomes: Floats, n_bins: int) -> float:
    """Weighted gap over runs of the samples in the (stable) order of their values, cut as `np.array_split` does."""
    residuals = (values - outcomes)[np.argsort(values, kind="stable")]
    sums = np.add.reduceat(residuals, _run_starts(len(residuals), n_bins))
    return float(np.abs(sums).sum() / len(values))


def classwise_gap(probs: Floats, targets: Integers, n_bins: int) -> float:
    """Mean over columns of the equal-width gap of each column of probs (N, C), one class against the rest."""
    # Column by column: the bins of all columns at once would need an (N, C) array of indices.
    gaps = [
        equal_width_gap(np.ascontiguousarray(column), (targets == label).astype(np.float64), n_bins)
        for label, column in enumerate(probs.T)
    ]
    return float(np.mean(gaps))


def _run_starts(length: int, n_bins: int) -> Integers:
    """Where the runs begin, empty ones left out: the first `length % n_bins` are one longer than the others."""
    runs = min(n_bins, length)
    shorter, longer = divmod(length, runs)
    order = np.arange(runs)
    return order * shorter + np.minimum(order, longer)
