"""What AdaFocal learns from the validation split: bins of confidence, how far each is off, and the gammas after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainers.calibration.inputs import Floats, Integers


@dataclass(frozen=True, slots=True)
class ValBins:
    """Bins of about equal mass over the confidences of the validation split.

    Attributes:
        edges: (M + 1,); bin b reaches from edges[b] to edges[b + 1].
        counts: (M,) samples.
        confidence: (M,) mean confidence; NaN where there is no sample.
        accuracy: (M,) share that is right; NaN where there is no sample.
    """

    edges: Floats
    counts: Integers
    confidence: Floats
    accuracy: Floats

    @property
    def gaps(self) -> Floats:
        """Mean confidence - accuracy of each bin, (M,); 0 where there is no sample."""
        return np.where(self.counts > 0, self.confidence - self.accuracy, 0.0)


def reference_bins(confidence: Floats, correct: Floats, num_bins: int) -> ValBins:
    """Bins (lo, hi] between edges interpolated over the sorted confidences, as the published code makes them.

    The sample of the lowest confidence lies in no bin, and so do those that equal it.

    Args:
        confidence: of the predicted class, (N,).
        correct: whether it is right, (N,), 1.0 or 0.0.
        num_bins: M.
    """
    count = len(confidence)
    edges = np.interp(np.linspace(0, count, num_bins + 1), np.arange(count), np.sort(confidence))
    return _gathered(edges, np.searchsorted(edges, confidence, side="left") - 1, confidence, correct)


def equal_mass_bins(confidence: Floats, correct: Floats, num_bins: int) -> ValBins:
    """Runs of the sorted confidences, cut as `np.array_split` does; edges half-way between neighbours, 0 and 1 outside.

    With fewer samples than bins the last bins are empty and lie at 1.

    Args:
        confidence: of the predicted class, (N,).
        correct: whether it is right, (N,), 1.0 or 0.0.
        num_bins: M.
    """
    order = np.argsort(confidence, kind="stable")
    ends = np.cumsum([len(run) for run in np.array_split(order, num_bins)])
    ranked = np.append(confidence[order], 1.0)
    inner = np.where(ends < len(order), (ranked[ends - 1] + ranked[ends]) / 2, 1.0)[:-1]
    index = np.empty(len(order), dtype=np.int64)
    index[order] = np.searchsorted(ends, np.arange(len(order)), side="right")
    return _gathered(np.concatenate([[0.0], inner, [1.0]]), index, confidence, correct)


@dataclass(frozen=True, slots=True)
class UpdateRule:
    """How the gammas follow the gaps: an over-confident bin's grows, an under-confident one's falls.

    Attributes:
        lam: how fast: gamma exp(lam gap), or gamma exp(-lam gap) of one that is not positive.
        switch_pt: a gamma that comes to lie within (-switch_pt, switch_pt) goes to the far end of that range.
        gamma_min: no gamma is less.
        gamma_max: no gamma is more.
    """

    lam: float
    switch_pt: float
    gamma_min: float
    gamma_max: float

    def after(self, gammas: Floats, gaps: Floats) -> Floats:
        """The gammas (M,) after an update, from those before it and the gap of each bin, (M,)."""
        moved = gammas * np.exp(np.where(gammas > 0, self.lam, -self.lam) * gaps)
        is_flipped = np.abs(moved) < self.switch_pt
        flipped = np.where(is_flipped, np.where(moved > 0, -self.switch_pt, self.switch_pt), moved)
        return np.asarray(np.clip(flipped, self.gamma_min, self.gamma_max), dtype=np.float64)


def _gathered(edges: Floats, index: Integers, confidence: Floats, correct: Floats) -> ValBins:
    """Sums over the samples of each bin; an index of -1 is in none."""
    inside = index >= 0
    index, num_bins = index[inside], len(edges) - 1
    counts = np.bincount(index, minlength=num_bins)
    filled = np.where(counts, counts, np.nan)
    return ValBins(
        edges=edges,
        counts=counts,
        confidence=np.bincount(index, confidence[inside], num_bins) / filled,
        accuracy=np.bincount(index, correct[inside], num_bins) / filled,
    )
