"""Equal-width bins of confidence: which one a value falls in, and what each holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainers.calibration.inputs import Floats, Integers


def bin_index(values: Floats, n_bins: int) -> Integers:
    """The bin (N,) of each value in [0, 1]: bins are (lo, hi], and the first holds 0 as well.

    Not ceil(value * n_bins) - 1, which rounding sends to the wrong side of an edge.
    """
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    return np.clip(np.searchsorted(edges, values, side="left") - 1, 0, n_bins - 1)


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
