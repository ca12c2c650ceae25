"""Means over classes, where some classes may have nothing to say."""

from __future__ import annotations

from typing import Final

import numpy as np

from trainers.calibration.inputs import Floats

# What a recall counts as, at least, in the geometric and harmonic means: one class at 0 would else make them 0.
RECALL_FLOOR: Final = 1e-3


def mean(values: Floats) -> float | None:
    """Mean of what is not NaN; None where nothing is left."""
    known = _known(values)
    return float(known.mean()) if known.size else None


def lowest(values: Floats) -> float | None:
    """Smallest of what is not NaN; None where nothing is left."""
    known = _known(values)
    return float(known.min()) if known.size else None


def geometric_mean(recalls: Floats) -> float | None:
    """exp(mean log r) over classes with samples, each recall at least `RECALL_FLOOR`.

    Source: Du & Wu, CVPR 2023, with the floor of the authors' later code.
    """
    known = _known(recalls)
    return float(np.exp(np.log(np.maximum(known, RECALL_FLOOR)).mean())) if known.size else None


def harmonic_mean(recalls: Floats) -> float | None:
    """C / sum(1 / r) over classes with samples, each recall at least `RECALL_FLOOR`; the same source."""
    known = _known(recalls)
    return float(1 / (1 / np.maximum(known, RECALL_FLOOR)).mean()) if known.size else None


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]
