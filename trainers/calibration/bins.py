"""Equal-width bins of confidence: which one a value falls in, and what each holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from trainers.calibration.inputs import Floats, Integers, checked_bins, checked_choice

Edges: TypeAlias = Literal["right", "left", "left_open_one"]
"""Which edge a bin holds. "right": (lo, hi], and the first holds 0. "left": [lo, hi), and the last holds 1.
"left_open_one": [lo, hi), and 1 has a bin of its own, as in torchmetrics."""

EDGES: Final = ("right", "left", "left_open_one")


@dataclass(frozen=True, slots=True)
class Widths:
    """Bins of equal width.

    Raises:
        ValueError: `n_bins` is no whole number above zero, or `edges` none of `EDGES`.
    """

    n_bins: int
    edges: Edges = "right"

    def __post_init__(self) -> None:
        """Check."""
        checked_choice("edges", self.edges, EDGES)
        checked_bins(self.n_bins)

    @property
    def total(self) -> int:
        """How many bins there are: `n_bins`, and one more where 1 has its own."""
        return int(self.n_bins) + (self.edges == "left_open_one")

    def index(self, values: Floats) -> Integers:
        """The bin of each value in [0, 1]."""
        return bin_index(values, self.n_bins, self.edges)


def bin_index(values: Floats, n_bins: int, edges: Edges = "right") -> Integers:
    """The bin of each value in [0, 1], in the shape of `values`, by comparison with `linspace(0, 1, n_bins + 1)`.

    Not ceil(value * n_bins) - 1, which rounding sends to the wrong side of an edge. The product is off by one at most,
    so two comparisons set it right; that is several times faster than a search.
    """
    limits = np.linspace(0.0, 1.0, n_bins + 1)
    index = (values * n_bins).astype(np.int64)
    np.clip(index, 0, n_bins - 1, out=index)
    lower, upper = limits[:-1].take(index), limits[1:].take(index)
    if edges == "right":
        index += values > upper
        index -= values <= lower
    else:
        index += values >= upper
        index -= values < lower
    return np.clip(index, 0, n_bins - (edges != "left_open_one"), out=index)


def top_label(probs: Floats, targets: Integers) -> tuple[Floats, Floats]:
    """Confidence (N,) of the predicted class, and whether it is right (N,), 1.0 or 0.0; of equals, the first class."""
    predicted = probs.argmax(axis=1)
    confidence = probs[np.arange(len(probs)), predicted]
    return confidence, (predicted == targets).astype(np.float64)


@dataclass(frozen=True, slots=True)
class ReliabilityTable:
    """What each equal-width bin holds; mean confidence and accuracy are NaN where `counts` is 0.

    Attributes:
        edges: (M + 1,) from 0 to 1.
        counts: (M,) samples.
        confidence: (M,) mean confidence.
        accuracy: (M,) share that is right.
    """

    edges: Floats
    counts: Integers
    confidence: Floats
    accuracy: Floats


def reliability_table(confidence: Floats, correct: Floats, n_bins: int) -> ReliabilityTable:
    """Bin confidences (N,) and whether each sample is right (N,)."""
    index = bin_index(confidence, n_bins)
    counts = np.bincount(index, minlength=n_bins)
    filled = np.where(counts, counts, np.nan)
    return ReliabilityTable(
        edges=np.linspace(0.0, 1.0, n_bins + 1),
        counts=counts,
        confidence=np.bincount(index, confidence, n_bins) / filled,
        accuracy=np.bincount(index, correct, n_bins) / filled,
    )
