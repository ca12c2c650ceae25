"""What each transform does with logits: pure functions, numpy only. Each returns logits; their softmax predicts."""

from __future__ import annotations

import numpy as np

from trainers.calibration.inputs import Floats, Integers
from trainers.calibration.softmax import log_softmax


def log_prior(class_counts: Integers) -> Floats:
    """Log pi (C,): the logarithms of the classes' shares of the training images.

    Args:
        class_counts: (C,) training images per class.

    Raises:
        ValueError: a class without a training image.
    """
    if (class_counts < 1).any():
        empty = int(np.argmin(class_counts))
        raise ValueError(f"class {empty} has no training image, and log 0 cannot be adjusted for; leave it out")
    prior: Floats = np.log(class_counts) - np.log(class_counts.sum())
    return prior


def logit_adjusted(logits: Floats, prior: Floats, tau: float) -> Floats:
    """Z - tau log pi.

    Args:
        logits: (N, C), of a network that was trained without an adjustment.
        prior: log pi, (C,).
        tau: 1 for what the theory asks for; 0 changes nothing.

    Source: Menon et al., ICLR 2021, equation 9.
    """
    return logits - tau * prior


def tau_normalised(logits: Floats, weight: Floats, bias: Floats, tau: float) -> Floats:
    """The logits of a linear head whose rows are divided by a power of their norm: (w_c . f) / |w_c|^tau + b_c.

    A row's factor stands before its product with the features, so it is the products in the logits that are divided:
    the features are not needed. A row of zeros stays as it is.

    Args:
        logits: (N, C) of the head as it was trained.
        weight: (C, D) of that head.
        bias: (C,), which is kept.
        tau: 0 changes nothing; at 1 all rows have norm 1.

    Source: Kang et al., ICLR 2020, equation 5.
    """
    divided: Floats = (logits - bias) / _factors(weight, tau) + bias
    return divided


def normalised_rows(weight: Floats, tau: float) -> Floats:
    """Rows (C, D) divided by their norm to the power of tau."""
    rows: Floats = weight / _factors(weight, tau)[:, None]
    return rows


def averaged(first: Floats, second: Floats) -> Floats:
    """Log-probabilities (N, C) of the mean of two predictions, softmax(first) and softmax(second).

    Added as logarithms: a probability that underflows is no log 0.
    """
    mean: Floats = np.logaddexp(log_softmax(first), log_softmax(second)) - np.log(2)
    return mean


def ensembled(new: Floats, old: Floats, t1: float, t2: float) -> Floats:
    """Log-probabilities (N, C) of softmax(z_new / t1) + softmax(z_old / t2), halved so that they sum to one.

    Source: Du and Wu, CVPR 2023 (GML's ensemble of a retrained and the original classifier).
    """
    return averaged(new / t1, old / t2)


def _factors(weight: Floats, tau: float) -> Floats:
    norms = np.linalg.norm(weight, axis=1)
    factors: Floats = np.where(norms > 0, norms, 1.0) ** tau
    return factors
