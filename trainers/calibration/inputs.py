"""What the measures accept: arrays of numpy or torch, checked once and turned into float64."""

from __future__ import annotations

import operator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

# How far from one a row of probabilities may sum: wide enough for a softmax over many classes in float32, or in half.
ROW_SUM_TOLERANCE: Final = 1e-4
HALF_ROW_SUM_TOLERANCE: Final = 1e-2


def as_array(values: Any) -> npt.NDArray[Any]:
    """A numpy view or copy of an array, a sequence or a tensor.

    A tensor is known by its `detach`, so that torch need not be imported; half precision is widened by the tensor
    itself, since numpy has no bfloat16.
    """
    if not hasattr(values, "detach"):
        return np.asarray(values)
    tensor = values.detach().cpu()
    if tensor.is_floating_point() and tensor.element_size() <= 2:
        tensor = tensor.float()
    return np.asarray(tensor.numpy())


def row_sum_tolerance(values: Any) -> float:
    """How far from one the rows of these probabilities may sum, by the type that they came in."""
    if hasattr(values, "detach"):
        is_half = values.is_floating_point() and values.element_size() <= 2
    else:
        dtype = getattr(values, "dtype", None)
        is_half = isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize <= 2
    return HALF_ROW_SUM_TOLERANCE if is_half else ROW_SUM_TOLERANCE


def checked_logits(logits: Any, targets: Any) -> tuple[Floats, Integers]:
    """Logits and targets as float64 and int64.

    Args:
        logits: (N, C) finite scores.
        targets: (N,) integers in [0, C).

    Raises:
        ValueError: a wrong shape, no sample, fewer than two classes, a value that is not finite, a target that is no
            class index.
    """
    array, labels = checked_shapes(logits, targets, "logits")
    refuse_what_is_not_finite(array, "logits")
    return array.astype(np.float64), labels


def checked_probs(probs: Any, targets: Any) -> tuple[Floats, Integers]:
    """Probabilities and targets as float64 and int64.

    Args:
        probs: (N, C) non-negative rows that sum to one, within 1e-2 if they come in half precision, else within 1e-4;
            they are not renormalised.
        targets: (N,) integers in [0, C).

    Raises:
        ValueError: what `checked_logits` refuses, a negative probability, or a row that does not sum to one.
    """
    array, labels = checked_shapes(probs, targets, "probs")
    refuse_what_is_no_probability(array, row_sum_tolerance(probs))
    return array.astype(np.float64), labels


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


def checked_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is none of the choices.

    Raises:
        ValueError: it is not.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def checked_shapes(scores: Any, targets: Any, name: str) -> tuple[npt.NDArray[Any], Integers]:
    """Scores (N, C), of whatever real type, and targets (N,) as int64; the scores' values are not looked at.

    Raises:
        ValueError: a wrong shape, no sample, fewer than two classes, no real numbers, a target that is no class index.
    """
    array, labels = as_array(scores), as_array(targets)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (N, C), not {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"{name} is empty: shape {array.shape}")
    if labels.shape != array.shape[:1]:
        raise ValueError(f"targets must have shape ({array.shape[0]},) as {name} has {array.shape}, not {labels.shape}")
    if array.shape[1] == 1:
        raise ValueError(
            f"{name} has one class only, shape {array.shape}; give a column to each of two classes or more"
        )
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real numbers, not {array.dtype}")
    return array, _indices(labels, array.shape[1])


def refuse_what_is_not_finite(array: npt.NDArray[Any], name: str) -> None:
    """Refuse NaN and infinity in (N, C).

    Raises:
        ValueError: there is one; the message says how many rows, and the first.
    """
    broken = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if broken.size:
        raise ValueError(
            f"{name} holds NaN or infinity in {broken.size} of {len(array)} rows, first in row {broken[0]}"
        )


def refuse_what_is_no_probability(array: npt.NDArray[Any], tolerance: float) -> None:
    """Refuse rows (N, C) that are not finite, hold a negative value, or do not sum to one.

    Raises:
        ValueError: there is one; the message says which.
    """
    refuse_what_is_not_finite(array, "probs")
    if (array < 0).any():
        raise ValueError(
            f"probs has a negative value ({array.min():.6g}); pass probabilities, or the scores as logits="
        )
    sums = array.sum(axis=1, dtype=np.float64)
    worst = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[worst] - 1) > tolerance:
        raise ValueError(
            f"probs row {worst} sums to {sums[worst]:.6g}, not to 1; pass probabilities, or the scores as logits="
        )


def _indices(labels: npt.NDArray[Any], num_classes: int) -> Integers:
    if labels.dtype.kind not in "iu":
        raise ValueError(f"targets must be integer class indices, not {labels.dtype}")
    whole = labels.astype(np.int64, copy=False)
    if whole.min() < 0 or whole.max() >= num_classes:
        first = np.flatnonzero((whole < 0) | (whole >= num_classes))[0]
        raise ValueError(
            f"targets[{first}] is {whole[first]}; with {num_classes} classes it must be 0..{num_classes - 1}"
        )
    return whole
