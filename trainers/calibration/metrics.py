"""Calibration errors and proper scores of probabilities (N, C) against targets (N,).

Every function takes arrays of numpy or torch, works in float64 on the whole split at once (a mean of errors over
batches is not the error of the split), and raises ValueError with the reason for input that is not probabilities and
class indices. Of equal probabilities, the first class is the prediction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainers.calibration.bins import top_label
from trainers.calibration.gaps import classwise_gap, equal_mass_gap, equal_width_gap
from trainers.calibration.inputs import checked_bins, checked_logits, checked_probs
from trainers.calibration.softmax import log_softmax, nll_of_log_probs


def ece(probs: Any, targets: Any, n_bins: int = 15) -> float:
    """Expected calibration error of the predicted class: sum over bins of n_b / N * |confidence_b - accuracy_b|.

    Bins have equal width and are (lo, hi], the first closed at 0. A float32 probability that stands for an edge may lie
    above it once widened: pass float64 where that matters.

    Returns:
        A value in [0, 1]; 0.1 says that confidence is off by ten points on average.

    Raises:
        ValueError: bad input (see the module), or `n_bins` below 1.

    Source: Naeini et al., AAAI 2015; Guo et al., ICML 2017, with 15 bins.
    """
    checked, labels = checked_probs(probs, targets)
    return equal_width_gap(*top_label(checked, labels), checked_bins(n_bins))


def adaptive_ece(probs: Any, targets: Any, n_bins: int = 15) -> float:
    """ECE over bins of equal mass: samples sorted by confidence and cut into `n_bins` runs of (almost) equal length.

    The sort is stable, so equal confidences keep the order of the input, and a run that ends among them depends on that
    order. With fewer samples than bins each sample is a bin of its own.

    Returns:
        A value in [0, 1]; it may be smaller than `ece`.

    Raises:
        ValueError: bad input (see the module), or `n_bins` below 1.

    Source: Nguyen & O'Connor, EMNLP 2015; Mukhoti et al., NeurIPS 2020, cut at ranks instead of interpolated edges.
    """
    checked, labels = checked_probs(probs, targets)
    return equal_mass_gap(*top_label(checked, labels), checked_bins(n_bins))


def classwise_ece(probs: Any, targets: Any, n_bins: int = 15) -> float:
    """Mean over all C columns of the error of that column's probability against one-vs-rest labels.

    Every sample counts in every column, and a class without a target counts too. The value shrinks like 1 / C: compare
    it at equal C only.

    Returns:
        A value in [0, 1].

    Raises:
        ValueError: bad input (see the module), or `n_bins` below 1.

    Source: Kull et al., NeurIPS 2019; Nixon et al., CVPR workshops 2019 (static calibration error).
    """
    checked, labels = checked_probs(probs, targets)
    return classwise_gap(checked, labels, checked_bins(n_bins))


def nll(probs: Any, targets: Any) -> float:
    """Mean negative log-likelihood of the target, in nats; infinite where a target has probability 0.

    Raises:
        ValueError: bad input (see the module).
    """
    checked, labels = checked_probs(probs, targets)
    with np.errstate(divide="ignore"):
        return float(-np.log(checked[np.arange(len(labels)), labels]).mean())


def nll_of_logits(logits: Any, targets: Any) -> float:
    """`nll` of softmax(logits), finite for all finite logits (N, C): no probability underflows on the way.

    Raises:
        ValueError: bad shapes, no sample, NaN or infinity, a target that is no class index.
    """
    checked, labels = checked_logits(logits, targets)
    return nll_of_log_probs(log_softmax(checked), labels)


def brier(probs: Any, targets: Any) -> float:
    """Brier score: the mean over samples of the squared distance to the one-hot target, summed over classes; in [0, 2].

    Raises:
        ValueError: bad input (see the module).

    Source: Brier 1950; some libraries halve it or divide it by C.
    """
    checked, labels = checked_probs(probs, targets)
    residual = checked.copy()
    residual[np.arange(len(labels)), labels] -= 1.0
    return float(np.square(residual).sum(axis=1).mean())
