"""Fit isotonic regression and histogram binning: a map of each class's probability, one class against the rest."""

from __future__ import annotations

from typing import Final

import numpy as np

from trainers.calibration.inputs import Booleans, Floats
from trainers.calibration.posthoc.forms import bin_of
from trainers.calibration.posthoc.validation import Solution, Split

_WHY: Final = "would give them probability 0 for good"


def fit_isotonic(split: Split) -> Solution:
    """The rising map of each column with the smallest squared error, linear between its knots and constant outside.

    Returns:
        `knots` and `values` (K,) of all classes, one after another; `starts` (C + 1,) where each class begins. Rows are
        renormalised at prediction; one that is all zero keeps its probabilities.

    Raises:
        ValueError: a class without a sample.
    """
    split.need_every_class("isotonic regression", _WHY)
    curves = [isotonic_curve(column, split.targets == label) for label, column in enumerate(split.probs.T)]
    knots, values = (np.concatenate(parts) for parts in zip(*curves, strict=True))
    starts = np.cumsum([0, *(len(knots) for knots, _ in curves)])
    return Solution({"knots": knots, "values": values, "starts": starts.astype(np.int64)})


def isotonic_curve(values: Floats, outcomes: Floats | Booleans) -> tuple[Floats, Floats]:
    """Knots and the values there, (K,) each, by pool adjacent violators; values (N,), outcomes (N,) 0 or 1."""
    from sklearn.isotonic import IsotonicRegression  # only to fit

    regression = IsotonicRegression(y_min=0.0, y_max=1.0, increasing=True, out_of_bounds="clip")
    regression.fit(values, np.asarray(outcomes, dtype=np.float64))
    knots = np.asarray(regression.X_thresholds_, dtype=np.float64)
    return knots, np.clip(np.asarray(regression.y_thresholds_, dtype=np.float64), 0.0, 1.0)


def fit_histogram(split: Split, *, n_bins: int = 15, bins: str = "equal_width") -> Solution:
    """Each column's frequency of the class, bin by bin; an empty bin gives its centre.

    Args:
        split: fitted on.
        n_bins: of each column, (lo, hi].
        bins: `equal_width`, or `equal_mass`: each column is sorted and cut into runs of (almost) equal length, with
            edges half-way between neighbours.

    Returns:
        `edges` (C, n_bins + 1) and `values` (C, n_bins). Rows are renormalised at prediction; one that is all zero
        keeps its probabilities.

    Raises:
        ValueError: a class without a sample; fewer samples than bins of equal mass.
    """
    split.need_every_class("histogram binning", _WHY)
    if bins == "equal_mass" and len(split.targets) < n_bins:
        raise ValueError(f"{len(split.targets)} samples cannot fill {n_bins} bins of equal mass; ask for fewer n_bins")
    probs = split.probs
    if bins == "equal_width":
        edges = np.tile(np.linspace(0.0, 1.0, n_bins + 1), (split.num_classes, 1))
    else:
        edges = np.stack([equal_mass_edges(column, n_bins) for column in probs.T])
    columns = zip(probs.T, edges, range(split.num_classes), strict=True)
    values = np.stack([_frequencies(column, own, split.targets == label) for column, own, label in columns])
    return Solution({"edges": edges, "values": values})


def equal_mass_edges(values: Floats, n_bins: int) -> Floats:
    """Edges (n_bins + 1,) from 0 to 1, each half-way between the last of a run and the first of the next."""
    ordered = np.sort(values)
    lasts = np.cumsum([len(run) for run in np.array_split(ordered, n_bins)])[:-1] - 1
    return np.concatenate([[0.0], (ordered[lasts] + ordered[lasts + 1]) / 2, [1.0]])


def _frequencies(values: Floats, edges: Floats, is_class: Booleans) -> Floats:
    index, n_bins = bin_of(values, edges), len(edges) - 1
    counts = np.bincount(index, minlength=n_bins)
    sums = np.bincount(index, is_class.astype(np.float64), n_bins)
    centres = (edges[1:] + edges[:-1]) / 2
    shares: Floats = np.divide(sums, counts, out=centres, where=counts > 0)
    return shares
