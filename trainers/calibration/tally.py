"""What bins hold: how many samples, the sum of their values, and how many of them are hits.

A hit is an outcome that came true: the prediction is right, or the class is the target. No sample is looped over, and
no bin divided by its count, until a measure asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from trainers.calibration.bins import Widths
from trainers.calibration.inputs import Booleans, Floats, Integers
from trainers.calibration.order import stable_order
from trainers.calibration.split import Split

PIECE: Final = 1 << 15
"""Values that are binned at once, so that the steps in between stay in the cache."""

FEW: Final = 16
"""Values with ties across a cut up to which each is looked for on its own."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Bins, (M,), or (C, M) for C classes; all float64.

    Attributes:
        counts: samples.
        values: sum of their values.
        hits: how many came true.
    """

    counts: Floats
    values: Floats
    hits: Floats

    def gaps(self) -> Floats:
        """Mean value minus share of hits, 0 in an empty bin; positive is over-confident."""
        return (self.values - self.hits) / np.maximum(self.counts, 1)

    def shares(self) -> Floats:
        """Of all samples (of the class), the share in each bin."""
        return np.asarray(self.counts / np.maximum(self.counts.sum(axis=-1, keepdims=True), 1))

    def hit_rates(self) -> Floats:
        """Share of hits in each bin, 0 in an empty one."""
        return self.hits / np.maximum(self.counts, 1)


def equal_width(values: Floats, hits: Booleans, bins: Widths) -> Tally:
    """Bins of equal width; values (N,) in [0, 1], hits (N,)."""
    groups = np.broadcast_to(np.int64(0), values.shape)
    grouped = equal_width_by_group(values, hits, groups, 1, bins)
    return Tally(grouped.counts[0], grouped.values[0], grouped.hits[0])


def equal_width_by_group(values: Floats, hits: Booleans, groups: Integers, n_groups: int, bins: Widths) -> Tally:
    """Bins of equal width, (G, M), of each group of samples; groups (N,) in [0, G)."""
    width = bins.total
    sums = np.zeros((3, n_groups * width))
    for start in range(0, len(values), PIECE):
        piece = slice(start, start + PIECE)
        index = bins.index(values[piece])
        index += groups[piece] * width
        sums[0] += np.bincount(index, minlength=n_groups * width)
        sums[1] += np.bincount(index, values[piece], n_groups * width)
        sums[2] += np.bincount(index[hits[piece]], minlength=n_groups * width)
    return Tally(*sums.reshape(3, n_groups, width))


def equal_width_by_class(split: Split, bins: Widths) -> Tally:
    """Bins of equal width, (C, M), of each class's probability; every sample counts in every class."""
    classes, width = split.values.shape[1], bins.total
    first_bins = np.arange(classes) * width
    sums = np.zeros((3, classes * width))
    for _, block, labels in split.blocks():
        index = bins.index(block)
        index += first_bins
        flat = index.ravel()
        sums[0] += np.bincount(flat, minlength=classes * width)
        sums[1] += np.bincount(flat, block.ravel(), classes * width)
        sums[2] += np.bincount(index[np.arange(len(labels)), labels], minlength=classes * width)
    return Tally(*sums.reshape(3, classes, width))


def equal_mass(values: Floats, hits: Booleans, n_bins: int) -> Tally:
    """Runs of the samples in the (stable) order of their values, cut as `np.array_split` does; no run is empty.

    Sorting the values alone is ten times faster than a stable order of the samples. It gives the cuts; the hits below a
    cut are found among the sorted hits, and only where a cut falls among equal values does the order of samples matter.
    """
    ordered = np.sort(values)
    starts = run_starts(len(values), n_bins)
    counts = np.diff(starts, append=len(values)).astype(np.float64)
    hits_ordered = np.sort(values[hits])
    hits_before = np.searchsorted(hits_ordered, ordered[starts], side="left")
    tied = 1 + np.flatnonzero(ordered[starts[1:] - 1] == ordered[starts[1:]])
    if tied.size:
        hits_before[tied] += _hits_among_equals(values, hits, ordered, starts[tied])
    return Tally(
        counts,
        np.add.reduceat(ordered, starts),
        np.diff(hits_before, append=len(hits_ordered)).astype(np.float64),
    )


def run_starts(length: int, n_bins: int) -> Integers:
    """Where the runs begin, empty ones left out: the first `length % n_bins` are one longer than the others."""
    runs = min(n_bins, length)
    shorter, longer = divmod(length, runs)
    order = np.arange(runs)
    return order * shorter + np.minimum(order, longer)


def _hits_among_equals(values: Floats, hits: Booleans, ordered: Floats, ranks: Integers) -> Integers:
    """Of the samples that stand before each of the `ranks` (K,) in stable order and equal the one there, the hits."""
    cuts = ordered[ranks]
    first = np.searchsorted(ordered, cuts, side="left")
    if len(set(cuts.tolist())) > FEW:
        until = np.concatenate([[0], np.cumsum(hits[stable_order(values)])])
        return np.asarray(until[ranks] - until[first], dtype=np.int64)
    found = np.empty_like(ranks)
    for value in set(cuts.tolist()):
        here = cuts == value
        found[here] = np.cumsum(hits[values == value])[(ranks - first)[here] - 1]
    return found
