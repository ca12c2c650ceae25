"""The confusion matrix, and the per-class measures that follow from it."""

from __future__ import annotations

import numpy as np

from trainers.calibration.inputs import Floats, Integers


def confusion_matrix(predicted: Integers, targets: Integers, num_classes: int) -> Integers:
    """Counts (C, C): row the target, column the prediction."""
    pairs = np.bincount(targets * num_classes + predicted, minlength=num_classes * num_classes)
    return pairs.reshape(num_classes, num_classes)


def recalls(confusion: Integers) -> Floats:
    """Share of each class's samples that is found (C,); NaN for a class without a sample."""
    support = confusion.sum(axis=1)
    return np.diagonal(confusion) / np.where(support, support, np.nan)


def precisions(confusion: Integers) -> Floats:
    """Share of what is predicted as each class that is of it (C,); NaN for a class that is never predicted."""
    predicted = confusion.sum(axis=0)
    return np.diagonal(confusion) / np.where(predicted, predicted, np.nan)


def f1_scores(confusion: Integers) -> Floats:
    """F1 of each class (C,): 0 for one that is never predicted, NaN for one that has no sample either."""
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    return 2 * np.diagonal(confusion) / np.where(total, total, np.nan)
