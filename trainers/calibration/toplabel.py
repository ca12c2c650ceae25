"""Calibration errors of the predicted class: its probability, the confidence, against whether it is right.

What the arguments mean, and what is refused, stands in `trainers.calibration.metrics`, from which these are imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainers.calibration.bins import Edges, Widths
from trainers.calibration.gaps import NORMS, Norm, gap_norm
from trainers.calibration.inputs import checked_bins, checked_choice
from trainers.calibration.split import read_split
from trainers.calibration.tally import Tally, equal_mass, equal_width


def ece(  # noqa: PLR0913  the settings of the field
    probs: Any = None,
    targets: Any = None,
    n_bins: int = 15,
    *,
    logits: Any = None,
    norm: Norm = "l1",
    edges: Edges = "right",
) -> float:
    """Expected calibration error: sum over bins of equal width of n_b / N * |confidence_b - accuracy_b|.

    Bins are (lo, hi], the first closed at 0, unless `edges` says otherwise. A float32 probability that stands for an
    edge may lie above it once widened: pass float64 where that matters.

    Returns:
        A value in [0, 1]; 0.1 says that confidence is off by ten points on average.

    Source: Naeini et al., AAAI 2015; Guo et al., ICML 2017, with 15 bins.
    """
    checked_choice("norm", norm, NORMS)
    return float(gap_norm(_equal_width(probs, targets, n_bins, logits, edges), norm))


def mce(  # noqa: PLR0913  the settings of the field
    probs: Any = None,
    targets: Any = None,
    n_bins: int = 15,
    *,
    logits: Any = None,
    edges: Edges = "right",
    min_count: int = 1,
) -> float:
    """Maximum calibration error: the largest gap of a bin with at least `min_count` samples; 0 if there is none.

    A bin of one or two samples easily has the largest gap: `min_count=10` is worth a look beside it.

    Source: Naeini et al., AAAI 2015.
    """
    if min_count < 1:
        raise ValueError(f"min_count must be at least 1, not {min_count}")
    return float(gap_norm(_equal_width(probs, targets, n_bins, logits, edges), "max", min_count))


def rmsce(
    probs: Any = None, targets: Any = None, n_bins: int = 15, *, logits: Any = None, edges: Edges = "right"
) -> float:
    """Root mean square calibration error: `ece` with `norm="l2"`, sqrt(sum of n_b / N * gap_b^2).

    Source: Hendrycks et al., ICLR 2019.
    """
    return float(gap_norm(_equal_width(probs, targets, n_bins, logits, edges), "l2"))


def ace(
    probs: Any = None, targets: Any = None, n_bins: int = 15, *, logits: Any = None, edges: Edges = "right"
) -> float:
    """Average calibration error: the unweighted mean gap of the bins that are not empty (netcal's ACE, not AdaECE).

    Source: Neumann et al., NeurIPS workshops 2018.
    """
    tally = _equal_width(probs, targets, n_bins, logits, edges)
    return float(np.abs(tally.gaps()[tally.counts > 0]).mean())


def oe(
    probs: Any = None, targets: Any = None, n_bins: int = 15, *, logits: Any = None, edges: Edges = "right"
) -> float:
    """Over-confidence error: sum over bins of n_b / N * confidence_b * max(confidence_b - accuracy_b, 0).

    Source: Thulasidasan et al., NeurIPS 2019.
    """
    tally = _equal_width(probs, targets, n_bins, logits, edges)
    confidence = tally.values / np.maximum(tally.counts, 1)
    return float((tally.shares() * confidence * np.maximum(tally.gaps(), 0)).sum())


def conf_minus_acc(probs: Any = None, targets: Any = None, *, logits: Any = None) -> float:
    """Mean confidence minus accuracy: positive is over-confident, and |it| is never more than `ece`."""
    confidence, correct = read_split(probs, targets, logits).top_label()
    return float(confidence.mean() - correct.mean())


def adaptive_ece(
    probs: Any = None, targets: Any = None, n_bins: int = 15, *, logits: Any = None, norm: Norm = "l1"
) -> float:
    """ECE over bins of equal mass: samples sorted by confidence and cut into `n_bins` runs of (almost) equal length.

    The sort is stable, so equal confidences keep the order of the input, and a run that ends among them depends on that
    order. With fewer samples than bins each sample is a bin of its own.

    Returns:
        A value in [0, 1]; it may be smaller than `ece`.

    Source: Nguyen & O'Connor, EMNLP 2015; Mukhoti et al., NeurIPS 2020, cut at ranks instead of interpolated edges.
    """
    checked_choice("norm", norm, NORMS)
    bins = checked_bins(n_bins)
    return float(gap_norm(equal_mass(*read_split(probs, targets, logits).top_label(), bins), norm))


def adaece_reference(probs: Any = None, targets: Any = None, n_bins: int = 15, *, logits: Any = None) -> float:
    """`adaptive_ece` as focal_calibration, AdaFocal and MbLS compute it, for comparison with published numbers.

    Bins are (lo, hi] between edges interpolated at every N / M-th of the sorted confidences, so the sample with the
    lowest confidence falls in none.

    Source: Mukhoti et al., NeurIPS 2020, their code.
    """
    bins = checked_bins(n_bins)
    confidence, correct = read_split(probs, targets, logits).top_label()
    ordered, hits = np.sort(confidence), np.sort(confidence[correct])
    count = len(ordered)
    edges = np.interp(np.linspace(0, count, bins + 1), np.arange(count), ordered)
    until = np.searchsorted(ordered, edges, side="right")
    sums = np.concatenate([[0.0], np.cumsum(ordered)])[until]
    residuals = np.diff(sums) - np.diff(np.searchsorted(hits, edges, side="right"))
    return float(np.abs(residuals).sum() / count)


def _equal_width(probs: Any, targets: Any, n_bins: int, logits: Any, edges: Edges) -> Tally:
    bins = Widths(n_bins, edges)
    return equal_width(*read_split(probs, targets, logits).top_label(), bins)
