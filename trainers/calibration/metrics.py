"""Calibration errors, proper scores and selective risk of probabilities (N, C) against targets (N,).

Every function takes arrays of numpy or torch, works in float64 on the whole split at once (a mean of errors over
batches is not the error of the split), and goes over it in blocks, never sample by sample. Of equal probabilities, the
first class is the prediction. All values are fractions, not percent.

Args (the same everywhere):
    probs: (N, C) probabilities of two classes or more. Rows sum to one within 1e-4, or 1e-2 if they come in half
        precision; they are not renormalised.
    targets: (N,) class indices in [0, C).
    n_bins: at least 1; 15 unless said.
    logits: (N, C) finite scores, given by name instead of `probs`; their softmax is taken in float64.
    norm: "l1", the mean gap of the bins weighted by their shares; "l2", the root of their mean square; "max", the
        largest.
    edges: which edge belongs to a bin of equal width: "right", (lo, hi] with 0 in the first; "left", [lo, hi) with 1 in
        the last, as in netcal; "left_open_one", [lo, hi) with a bin of its own for 1, as in torchmetrics.

Raises (everywhere):
    ValueError: what is not probabilities and class indices, with the reason: a wrong shape, no sample, one class only,
        NaN or infinity, a negative value, a row that does not sum to one, a target out of range; a setting that is none
        of the above.
"""

from __future__ import annotations

from trainers.calibration.classwise import (
    adaptive_ece_per_class,
    classwise_adaptive_ece,
    classwise_ece,
    ece_per_class,
    predclass_ece,
    predclass_ece_macro,
)
from trainers.calibration.debiased import debiased_ece, debiased_square, ece_sweep
from trainers.calibration.kernel_bins import sece
from trainers.calibration.ranking import (
    augrc,
    aurc,
    auroc,
    coverage_at_risk,
    e_aurc,
    risk_at_coverage,
    risk_coverage,
)
from trainers.calibration.scores import brier, nll, nll_of_logits, top_label_brier
from trainers.calibration.smooth import smooth_ece
from trainers.calibration.toplabel import (
    ace,
    adaece_reference,
    adaptive_ece,
    conf_minus_acc,
    ece,
    mce,
    oe,
    rmsce,
)

__all__ = [
    "ace",
    "adaece_reference",
    "adaptive_ece",
    "adaptive_ece_per_class",
    "augrc",
    "aurc",
    "auroc",
    "brier",
    "classwise_adaptive_ece",
    "classwise_ece",
    "conf_minus_acc",
    "coverage_at_risk",
    "debiased_ece",
    "debiased_square",
    "e_aurc",
    "ece",
    "ece_per_class",
    "ece_sweep",
    "mce",
    "nll",
    "nll_of_logits",
    "oe",
    "predclass_ece",
    "predclass_ece_macro",
    "risk_at_coverage",
    "risk_coverage",
    "rmsce",
    "sece",
    "smooth_ece",
    "top_label_brier",
]
