"""Calibration errors that a calibrated model would not show only because its bins are small.

A binned error of a perfectly calibrated model is about 0.9 points at ten thousand samples and 2.9 at a thousand: chance
alone. What the arguments mean, and what is refused, stands in `trainers.calibration.metrics`.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from trainers.calibration.bins import Edges, Widths
from trainers.calibration.gaps import gap_norm
from trainers.calibration.inputs import Booleans, Floats, checked_choice
from trainers.calibration.order import stable_order
from trainers.calibration.split import Split, read_split
from trainers.calibration.tally import Tally, equal_mass, equal_width, run_starts

Binning: TypeAlias = Literal["mass", "width"]
BINNINGS: Final = ("mass", "width")
DEBIASED: Final = ("l1", "l2")


def debiased_ece(  # noqa: PLR0913  the settings of the field
    probs: Any = None,
    targets: Any = None,
    n_bins: int = 15,
    *,
    logits: Any = None,
    norm: Literal["l1", "l2"] = "l2",
    binning: Binning = "mass",
    edges: Edges = "right",
) -> float:
    """Calibration error of the predicted class, less what chance adds to it.

    "l2" is the root of `debiased_square`, 0 where that is negative. "l1" is twice the error less its expectation when
    each bin's accuracy a is drawn from Normal(a, a (1 - a) / n), in closed form where the authors' code draws; it can
    be negative.

    Args:
        probs: (N, C) probabilities.
        targets: (N,) class indices.
        n_bins: at least 1.
        logits: (N, C) scores, instead of `probs`.
        norm: "l2" or "l1".
        binning: bins of equal "mass" or of equal "width".
        edges: of bins of equal width.

    Source: Kumar et al., NeurIPS 2019, sections 4 and 5.
    """
    checked_choice("norm", norm, DEBIASED)
    tally = _tally(read_split(probs, targets, logits), binning, Widths(n_bins, edges))
    if norm == "l2":
        return math.sqrt(max(_debiased_square(tally), 0.0))
    return float(2 * gap_norm(tally) - (tally.shares() * _expected_gaps(tally)).sum())


def debiased_square(  # noqa: PLR0913  the settings of the field
    probs: Any = None,
    targets: Any = None,
    n_bins: int = 15,
    *,
    logits: Any = None,
    binning: Binning = "mass",
    edges: Edges = "right",
) -> float:
    """Sum over bins of n_b / N * (gap_b^2 - a_b (1 - a_b) / (n_b - 1)); negative where chance explains more than all.

    A bin of one sample adds nothing.

    Source: Kumar et al., NeurIPS 2019, definition 5.1.
    """
    return _debiased_square(_tally(read_split(probs, targets, logits), binning, Widths(n_bins, edges)))


def ece_sweep(probs: Any = None, targets: Any = None, *, logits: Any = None) -> float:
    """ECE over as many bins of equal mass as keep their accuracies from falling anywhere.

    The number of bins grows from one and stops before the first at which an accuracy falls.

    Source: Roelofs et al., AISTATS 2022.
    """
    confidence, correct = read_split(probs, targets, logits).top_label()
    hits = correct[stable_order(confidence)]
    # Outcomes that never fall are monotone at any number of bins, up to one for each sample.
    bins = len(hits) if (hits[1:] >= hits[:-1]).all() else _monotone_bins(hits)
    return float(gap_norm(equal_mass(confidence, correct, bins)))


def _monotone_bins(hits: Booleans) -> int:
    until = np.concatenate([[0], np.cumsum(hits)])
    for bins in range(2, len(hits) + 1):
        limits = np.append(run_starts(len(hits), bins), len(hits))
        counts, right = np.diff(limits), np.diff(until[limits])
        # Compared as fractions of whole numbers: equal accuracies do not fall by a rounding error.
        if (right[1:] * counts[:-1] < right[:-1] * counts[1:]).any():
            return bins - 1
    return len(hits)


def _tally(split: Split, binning: Binning, bins: Widths) -> Tally:
    checked_choice("binning", binning, BINNINGS)
    confidence, correct = split.top_label()
    if binning == "mass":
        return equal_mass(confidence, correct, bins.n_bins)
    return equal_width(confidence, correct, bins)


def _debiased_square(tally: Tally) -> float:
    rates = tally.hit_rates()
    squares = np.square(tally.gaps()) - rates * (1 - rates) / np.maximum(tally.counts - 1, 1)
    return float((tally.shares() * np.where(tally.counts >= 2, squares, 0.0)).sum())


def _expected_gaps(tally: Tally) -> Floats:
    """E|G| (M,) with G from Normal(gap, a (1 - a) / n)."""
    gaps, rates = tally.gaps(), tally.hit_rates()
    spreads = np.sqrt(rates * (1 - rates) / np.maximum(tally.counts, 1))
    # Where every sample of a bin is right, or none, there is no spread, and the gap is what it is.
    ratios = np.where(spreads > 0, gaps / np.where(spreads > 0, spreads, 1.0), 0.0)
    inside = np.array([math.erf(ratio / math.sqrt(2)) for ratio in ratios])  # 1 - 2 Phi(-ratio)
    spread_out = spreads * math.sqrt(2 / math.pi) * np.exp(-np.square(ratios) / 2) + gaps * inside
    return np.where(spreads > 0, spread_out, np.abs(gaps))
