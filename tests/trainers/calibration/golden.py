"""Three sets with known values: ten rows worked by hand, values on the edges of bins, a thousand rows by formula."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PRINTED_PROBS: Floats = np.array(
    [
        [0.95, 0.03, 0.02],
        [0.91, 0.05, 0.04],
        [0.86, 0.09, 0.05],
        [0.06, 0.77, 0.17],
        [0.18, 0.71, 0.11],
        [0.24, 0.65, 0.11],
        [0.14, 0.31, 0.55],
        [0.29, 0.23, 0.48],
        [0.02, 0.01, 0.97],
        [0.44, 0.35, 0.21],
    ]
)
PRINTED_TARGETS: Integers = np.array([0, 0, 1, 1, 1, 2, 2, 0, 2, 0])

# Every value is a multiple of 1/8, so that it is exact in any float type; with four bins many lie on an edge.
DYADIC_PROBS: Floats = np.array(
    [
        [0.5, 0.25, 0.25],
        [0.5, 0.5, 0.0],
        [0.75, 0.25, 0.0],
        [0.25, 0.625, 0.125],
        [0.125, 0.125, 0.75],
        [1.0, 0.0, 0.0],
        [0.625, 0.25, 0.125],
    ]
)
DYADIC_TARGETS: Integers = np.array([0, 1, 0, 1, 2, 1, 1])


def formula_logits() -> tuple[Floats, Integers]:
    """A thousand samples of ten classes without a random draw."""
    i, j = np.arange(1000.0)[:, None], np.arange(10.0)[None]
    logits = 4 * np.sin(0.7 * i + 1.3 * j**2 + 0.11 * i * j)
    return logits, np.argmax(logits + 5 * np.cos(1.9 * (i + 1) * (j + 1)), axis=1)


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
