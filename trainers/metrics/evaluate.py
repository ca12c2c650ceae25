"""Every `test_*` column of one epoch, from the logits of the whole split."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from trainers.calibration.bins import top_label
from trainers.calibration.gaps import classwise_gap, equal_mass_gap, equal_width_gap
from trainers.calibration.inputs import Floats, Integers, checked_counts, checked_logits
from trainers.calibration.softmax import log_softmax, nll_of_log_probs
from trainers.metrics.confusion import confusion_matrix, f1_scores, recalls
from trainers.metrics.groups import Mask, shots, tail_half
from trainers.metrics.means import geometric_mean, harmonic_mean, lowest, mean

Scores = dict[str, float | None]
TopLabel = tuple[Floats, Floats]  # confidence (N,) of the predicted class, and whether it is right (N,)

N_BINS: Final = 15
_CALIBRATION: Final = ("nll", "ece", "adaece", "classwise_ece")


def evaluate(logits: Any, targets: Any, class_counts: Any, temperature: float | None = None) -> Scores:
    """Score a split: the `test_*` columns of `trainers.catalogue.METRIC_COLUMNS`, in their order.

    Args:
        logits: (N, C) finite scores of the whole split, numpy or torch.
        targets: (N,) integers in [0, C).
        class_counts: (C,) *training* images per class, which decide the groups and the tail.
        temperature: fitted on the validation split; without it the `*_ts` values are None.

    Returns:
        Fractions (not percent), NLL in nats. None where a value does not apply: a group without a class or a sample,
        `test_top5` with fewer than five classes, `*_ts` without a temperature. A class without a sample in the split
        is left out of every mean over classes. Many, medium and few are those of `shots`.

    Raises:
        ValueError: bad shapes, no sample, NaN or infinity, a target that is no class index, a temperature not above 0.
    """
    scores, labels = checked_logits(logits, targets)
    counts = checked_counts(class_counts, scores.shape[1])
    predicted = scores.argmax(axis=1)
    confusion = confusion_matrix(predicted, labels, scores.shape[1])
    recall, groups = recalls(confusion), shots(counts)
    calibration, top = _calibration(scores, labels, suffix="")
    return {
        "test_acc": float((predicted == labels).mean()),
        "test_top5": _top5(scores, labels),
        **_f1(confusion, counts),
        **{f"test_acc_{name}": mean(recall[mask]) for name, mask in groups.items()},
        "test_gm": geometric_mean(recall),
        "test_hm": harmonic_mean(recall),
        "test_lowest_recall": lowest(recall),
        **calibration,
        **_scaled(scores, labels, temperature),
        "test_balanced_acc": mean(recall),
        **{f"test_ece_{name}": group_ece(top, labels, mask) for name, mask in groups.items()},
    }


def group_ece(top: TopLabel, targets: Integers, mask: Mask) -> float | None:
    """ECE in 15 bins over the samples whose *true* class is in a group; None where there is none.

    Args:
        top: of every sample.
        targets: (N,).
        mask: (C,) of the classes in the group.
    """
    inside = mask[targets]
    if not inside.any():
        return None
    confidence, right = top
    return equal_width_gap(confidence[inside], right[inside], N_BINS)


def _f1(confusion: Integers, counts: Integers) -> Scores:
    f1 = f1_scores(confusion)
    return {"test_macro_f1": mean(f1), "test_tail_macro_f1": mean(f1[tail_half(counts)])}


def _top5(logits: Floats, targets: Integers) -> float | None:
    """Share of samples with fewer than five classes ahead of the target; of equals, the smaller index is ahead."""
    num_classes = logits.shape[1]
    if num_classes < 5:
        return None
    of_target = logits[np.arange(len(targets)), targets][:, None]
    smaller_index = np.arange(num_classes) < targets[:, None]
    ahead = (logits > of_target) | ((logits == of_target) & smaller_index)
    return float((ahead.sum(axis=1) < 5).mean())


def _calibration(logits: Floats, targets: Integers, suffix: str) -> tuple[Scores, TopLabel]:
    log_probs = log_softmax(logits)
    nll = nll_of_log_probs(log_probs, targets)
    probs = np.exp(log_probs, out=log_probs)
    top = top_label(probs, targets)
    values = (
        nll,
        equal_width_gap(*top, N_BINS),
        equal_mass_gap(*top, N_BINS),
        classwise_gap(probs, targets, N_BINS),
    )
    return {f"test_{name}{suffix}": value for name, value in zip(_CALIBRATION, values, strict=True)}, top


def _scaled(logits: Floats, targets: Integers, temperature: float | None) -> Scores:
    if temperature is None:
        return {f"test_{name}_ts": None for name in _CALIBRATION}
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be above 0, not {temperature}; fit it with fit_temperature")
    return _calibration(logits / temperature, targets, suffix="_ts")[0]
