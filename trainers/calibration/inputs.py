"""What the measures accept: arrays of numpy or torch, checked once and turned into float64."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Wide enough for a float32 softmax over many classes; a softmax taken in half precision is refused, as it should be.
ROW_SUM_TOLERANCE = 1e-3


def as_array(values: Any) -> npt.NDArray[Any]:
    """A numpy view or copy of an array, a sequence or a tensor.

    A tensor is known by its `detach`, so that torch need not be imported; its floats are widened by the tensor itself,
    since numpy has no bfloat16.
    """
    if not hasattr(values, "detach"):
        return np.asarray(values)
    tensor = values.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.double()
    return np.asarray(tensor.numpy())


def checked_logits(logits: Any, targets: Any) -> tuple[Floats, Integers]:
    """Logits and targets as float64 and int64.

    Args:
        logits: (N, C) finite scores.
        targets: (N,) integers in [0, C).

    Raises:
        ValueError: a wrong shape, no sample, no class, a value that is not finite, a target that is no class index.
    """
    return _checked(logits, targets, "logits")


def checked_probs(probs: Any, targets: Any) -> tuple[Floats, Integers]:
    """Probabilities and targets as float64 and int64.

    Args:
        probs: (N, C) non-negative rows that sum to one within `ROW_SUM_TOLERANCE`; they are not renormalised.
        targets: (N,) integers in [0, C).

    Raises:
        ValueError: what `checked_logits` refuses, a negative probability, or a row that does not sum to one.
    """
    checked, labels = _checked(probs, targets, "probs")
    if (checked < 0).any():
        raise ValueError(f"probs has a negative value ({checked.min():.6g}); pass probabilities, softmax(logits)")
    sums = checked.sum(axis=1)
    worst = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[worst] - 1) > ROW_SUM_TOLERANCE:
        raise ValueError(f"probs row {worst} sums to {sums[worst]:.6g}, not to 1; pass probabilities, softmax(logits)")
    return checked, labels


def checked_counts(class_counts: Any, num_classes: int) -> Integers:
    """Training images per class as int64.

    Raises:
        ValueError: not `num_classes` whole numbers, each at least zero.
    """
    counts = as_array(class_counts)
    if counts.shape != (num_classes,):
        raise ValueError(f"class_counts has shape {counts.shape}; the logits have {num_classes} classes")
    whole = counts.astype(np.int64)
    if not np.array_equal(whole, counts) or (whole < 0).any():
        raise ValueError("class_counts must be whole numbers, each at least 0")
    return whole


def checked_bins(n_bins: int) -> int:
    """The number of bins.

    Raises:
        ValueError: not a whole number, or less than one.
    """
    try:
        count = operator.index(n_bins)
    except TypeError:
        raise ValueError(f"n_bins must be a whole number, not {n_bins!r}") from None
    if count < 1:
        raise ValueError(f"n_bins must be at least 1, not {count}")
    return count


def _checked(scores: Any, targets: Any, name: str) -> tuple[Floats, Integers]:
    array, labels = as_array(scores), as_array(targets)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (N, C), not {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"{name} is empty: shape {array.shape}")
    if labels.shape != array.shape[:1]:
        raise ValueError(f"targets must have shape ({array.shape[0]},) as {name} has {array.shape}, not {labels.shape}")
    return _finite(array, name), _indices(labels, array.shape[1])


def _finite(array: npt.NDArray[Any], name: str) -> Floats:
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real numbers, not {array.dtype}")
    wide = array.astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(wide).all(axis=1))
    if broken.size:
        raise ValueError(f"{name} holds NaN or infinity in {broken.size} of {len(wide)} rows, first in row {broken[0]}")
    return wide


def _indices(labels: npt.NDArray[Any], num_classes: int) -> Integers:
    if labels.dtype.kind not in "iu":
        raise ValueError(f"targets must be integer class indices, not {labels.dtype}")
    whole = labels.astype(np.int64)
    outside = np.flatnonzero((whole < 0) | (whole >= num_classes))
    if outside.size:
        first = outside[0]
        raise ValueError(
            f"targets[{first}] is {whole[first]}; with {num_classes} classes it must be 0..{num_classes - 1}"
        )
    return whole
