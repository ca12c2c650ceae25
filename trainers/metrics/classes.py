"""What each class, and each group of classes, comes to on the test split, from stored logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainers.calibration.bins import top_label
from trainers.calibration.inputs import Floats, Integers, checked_counts, checked_logits
from trainers.calibration.softmax import log_softmax
from trainers.metrics.confusion import confusion_matrix, f1_scores, precisions, recalls
from trainers.metrics.evaluate import group_ece
from trainers.metrics.groups import Mask, groups_by_convention
from trainers.metrics.means import mean


@dataclass(frozen=True, eq=False)
class Group:
    """Some classes of a test split.

    Attributes:
        mask: (C,) which they are; one at least.
        accuracy: mean of their recalls; None where no class of them has a sample.
        ece: over the samples whose true class is among them, 15 bins; None where there is none.
    """

    mask: Mask
    accuracy: float | None
    ece: float | None


@dataclass(frozen=True, eq=False)
class Classes:
    """A test split, class by class; NaN where a class has nothing to say.

    Attributes:
        support: (C,) test samples.
        recall: (C,), NaN without a sample.
        precision: (C,), NaN for a class never predicted.
        f1: (C,), NaN for a class without a sample that is never predicted either.
        groups: convention -> group -> what it comes to; a group without a class is absent.
    """

    support: Integers
    recall: Floats
    precision: Floats
    f1: Floats
    groups: dict[str, dict[str, Group]]


def evaluate_classes(logits: Any, targets: Any, class_counts: Any) -> Classes:
    """Score each class, and each group under each convention of `trainers.metrics.groups`.

    Args:
        logits: (N, C) finite scores of the whole split.
        targets: (N,) integers in [0, C).
        class_counts: (C,) *training* images per class, which make the groups.

    Raises:
        ValueError: bad shapes, no sample, NaN or infinity, a target that is no class index.
    """
    scores, labels = checked_logits(logits, targets)
    counts = checked_counts(class_counts, scores.shape[1])
    confusion = confusion_matrix(scores.argmax(axis=1), labels, scores.shape[1])
    recall = recalls(confusion)
    top = top_label(np.exp(log_softmax(scores)), labels)
    groups = {
        convention: {
            name: Group(mask, mean(recall[mask]), group_ece(top, labels, mask)) for name, mask in masks.items()
        }
        for convention, masks in groups_by_convention(counts).items()
    }
    return Classes(confusion.sum(axis=1), recall, precisions(confusion), f1_scores(confusion), groups)
