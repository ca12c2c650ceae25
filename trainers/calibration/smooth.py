"""Smooth calibration error: residuals spread by a kernel instead of collected in bins.

The Gaussian reflected at 0 and 1 has the cosine series K_s(t, c) = 1 + 2 sum_n exp(-(pi n s)^2 / 2) cos(pi n t)
cos(pi n c). So the residuals are put on a fine grid, transformed once (a DCT-I), damped, and transformed back for each
width s that is tried: the cost of a width does not grow with the number of samples.
What the arguments mean, and what is refused, stands in `trainers.calibration.metrics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from trainers.calibration.inputs import Booleans, Floats
from trainers.calibration.split import read_split
from trainers.calibration.tally import PIECE

CELLS: Final = 1 << 14
"""Of the grid over [0, 1]; the error against the exact sum stays below 1e-6."""

HALVINGS: Final = 24
"""Of the interval [0, 1] in which the width is sought."""


def smooth_ece(probs: Any = None, targets: Any = None, *, logits: Any = None, sigma: float | None = None) -> float:
    """Smooth calibration error (smECE) of the predicted class: no bins, and near the distance to calibration.

    The integral over t of |(1 / N) sum_i K_s(t, c_i) (c_i - a_i)|, c the confidences, a whether they are right, K_s the
    reflected Gaussian of width s. It falls as s grows; unless `sigma` is given, the value is that at which it equals s.

    Args:
        probs: (N, C) probabilities.
        targets: (N,) class indices.
        logits: (N, C) scores, instead of `probs`.
        sigma: a width above 0 instead of the fixed point.

    Source: Blasiok & Nakkiran, ICLR 2024, section 3, with the reflected kernel. relplot's value differs, by up to
    2e-3 below 0.1 and by more above: its kernel is cut off and its grid is coarse. Other libraries take the kernel in
    logit space: another measure.
    """
    confidence, correct = read_split(probs, targets, logits).top_label()
    residuals = Series.of(confidence, confidence - correct)
    if sigma is None:
        return fixed_point(residuals)
    if not sigma > 0:
        raise ValueError(f"sigma must be above 0, not {sigma}")
    return residuals.area(sigma)


@dataclass(frozen=True, slots=True)
class Series:
    """Weights at places in [0, 1], as the first coefficients (CELLS + 1,) of their cosine series, mean over samples."""

    coefficients: Floats

    @classmethod
    def of(cls, places: Floats, weights: Floats) -> Series:
        """Of weights (N,) at places (N,), each shared linearly between the two nodes of the grid beside it."""
        nodes = np.zeros(CELLS + 1)
        for start in range(0, len(places), PIECE):
            piece = slice(start, start + PIECE)
            scaled = np.clip(places[piece], 0.0, 1.0) * CELLS
            below = np.minimum(scaled.astype(np.int64), CELLS - 1)
            upper = (scaled - below) * weights[piece]
            nodes[:-1] += np.bincount(below, weights[piece] - upper, CELLS)
            nodes[1:] += np.bincount(below, upper, CELLS)
        nodes[[0, -1]] *= 2
        return cls(_cosine_transform(nodes) / (2 * len(places)))

    def density(self, sigma: float) -> Floats:
        """The weights spread by the kernel of this width, at the CELLS + 1 nodes."""
        return _cosine_transform(self.coefficients * np.exp(-np.square(math.pi * sigma * np.arange(CELLS + 1)) / 2))

    def area(self, sigma: float) -> float:
        """Integral of the density's absolute value, by trapezoids."""
        heights = np.abs(self.density(sigma))
        return float((heights.sum() - (heights[0] + heights[-1]) / 2) / CELLS)


def fixed_point(residuals: Series) -> float:
    """The width s at which the area under |density| equals s; 0 where there is no residual."""
    low, high = 0.0, 1.0
    if residuals.area(0.0) == 0:
        return 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if residuals.area(middle) > middle else (low, middle)
    return (low + high) / 2


def smooth_reliability(confidence: Floats, correct: Booleans, sigma: float) -> tuple[Floats, Floats, Floats]:
    """The curve of a smooth reliability diagram: places t, the accuracy there, and the density of confidences there.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) whether each is right.
        sigma: width of the kernel above 0, as a rule `smooth_ece`; accuracy is NaN where density is below 1e-4.

    Source: Blasiok & Nakkiran, ICLR 2024, section 4.
    """
    density = Series.of(confidence, np.ones(len(confidence))).density(sigma)
    right = Series.of(confidence, correct.astype(np.float64)).density(sigma)
    is_seen = density > 1e-4
    accuracy = np.where(is_seen, right / np.where(is_seen, density, 1.0), np.nan)
    return np.linspace(0.0, 1.0, CELLS + 1), accuracy, density


def _cosine_transform(values: Floats) -> Floats:
    """DCT-I: v_0 + (-1)^k v_G + 2 sum_j v_j cos(pi j k / G), of (G + 1,)."""
    return np.asarray(np.fft.hfft(values, 2 * (len(values) - 1))[: len(values)])
