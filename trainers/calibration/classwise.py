"""Calibration errors by class: of every class's probability against one-vs-rest labels, or by predicted class.

What the arguments mean, and what is refused, stands in `trainers.calibration.metrics`, from which these are imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainers.calibration.bins import Edges, Widths
from trainers.calibration.gaps import NORMS, Norm, gap_norm
from trainers.calibration.inputs import Floats, checked_bins, checked_choice
from trainers.calibration.split import Split, read_split
from trainers.calibration.tally import equal_mass, equal_width_by_class, equal_width_by_group


def classwise_ece(  # noqa: PLR0913  the settings of the field
    probs: Any = None,
    targets: Any = None,
    n_bins: int = 15,
    *,
    logits: Any = None,
    norm: Norm = "l1",
    edges: Edges = "right",
) -> float:
    """Mean over all C columns of the error of that column's probability against one-vs-rest labels.

    Every sample counts in every column, and a class without a target counts too. The value shrinks like 1 / C: compare
    it at equal C only. The norm is taken within a column.

    Returns:
        A value in [0, 1].

    Source: Kull et al., NeurIPS 2019; Nixon et al., CVPR workshops 2019 (static calibration error).
    """
    return float(ece_per_class(probs, targets, n_bins, logits=logits, norm=norm, edges=edges).mean())


def ece_per_class(  # noqa: PLR0913  the settings of the field
    probs: Any = None,
    targets: Any = None,
    n_bins: int = 15,
    *,
    logits: Any = None,
    norm: Norm = "l1",
    edges: Edges = "right",
) -> Floats:
    """The terms (C,) that `classwise_ece` is the mean of."""
    checked_choice("norm", norm, NORMS)
    bins = Widths(n_bins, edges)
    return gap_norm(equal_width_by_class(read_split(probs, targets, logits), bins), norm)


def classwise_adaptive_ece(
    probs: Any = None, targets: Any = None, n_bins: int = 15, *, logits: Any = None, norm: Norm = "l1"
) -> float:
    """`classwise_ece` over bins of equal mass: each column sorted (stable) and cut into `n_bins` runs.

    Source: Nixon et al., CVPR workshops 2019, their bins over all classes and without a threshold.
    """
    return float(adaptive_ece_per_class(probs, targets, n_bins, logits=logits, norm=norm).mean())


def adaptive_ece_per_class(
    probs: Any = None, targets: Any = None, n_bins: int = 15, *, logits: Any = None, norm: Norm = "l1"
) -> Floats:
    """The terms (C,) that `classwise_adaptive_ece` is the mean of."""
    checked_choice("norm", norm, NORMS)
    bins = checked_bins(n_bins)
    split = read_split(probs, targets, logits)
    gaps = [gap_norm(equal_mass(column, split.labels == label, bins), norm) for label, column in split.columns()]
    return np.array(gaps)


def predclass_ece(  # noqa: PLR0913  the settings of the field
    probs: Any = None,
    targets: Any = None,
    n_bins: int = 15,
    *,
    logits: Any = None,
    norm: Norm = "l1",
    edges: Edges = "right",
) -> float:
    """Mean over predicted classes, weighted by their shares, of the ECE of the samples predicted as that class.

    Some study scripts call this the classwise error; `classwise_ece` is what the literature means by it.
    """
    gaps, shares = _by_prediction(read_split(probs, targets, logits), Widths(n_bins, edges), norm)
    return float(gaps @ shares)


def predclass_ece_macro(  # noqa: PLR0913  the settings of the field
    probs: Any = None,
    targets: Any = None,
    n_bins: int = 15,
    *,
    logits: Any = None,
    norm: Norm = "l1",
    edges: Edges = "right",
) -> float:
    """`predclass_ece` with the same weight for each class that is predicted at all."""
    gaps, shares = _by_prediction(read_split(probs, targets, logits), Widths(n_bins, edges), norm)
    return float(gaps[shares > 0].mean())


def _by_prediction(split: Split, bins: Widths, norm: Norm) -> tuple[Floats, Floats]:
    """The error (C,) within each predicted class, and the share (C,) of samples predicted so."""
    checked_choice("norm", norm, NORMS)
    predicted, confidence, correct = split.predicted()
    tally = equal_width_by_group(confidence, correct, predicted, split.values.shape[1], bins)
    counts = tally.counts.sum(axis=1)
    return gap_norm(tally, norm), counts / counts.sum()
