"""Which training images a run trains on and which it validates on; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainers.data.imbalance import class_counts, permuted_ranks
from trainers.errors import SpecError

Val = Literal["none"] | Mapping[str, Any]


@dataclass(frozen=True)
class Subset:
    """Indices into a data set's training images.

    Attributes:
        train: kept for training, class after class, (N,) int64.
        val: kept for validation, class after class, (V,) int64; empty when there is no validation split.
        class_counts: training images per class, (C,).
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    class_counts: tuple[int, ...]


def _val_sizes(val: Val, class_sizes: list[int]) -> list[int]:
    if isinstance(val, str):
        return [0] * len(class_sizes)
    if "per_class" in val:
        sizes = [int(val["per_class"])] * len(class_sizes)
    else:
        share = Fraction(str(val["fraction"]))  # exact: 0.29 of 100 images is 29
        sizes = [int(share * size) for size in class_sizes]
    for label, (held, size) in enumerate(zip(sizes, class_sizes, strict=True)):
        if not 0 < held < size:
            raise SpecError(
                f"val {dict(val)} takes {held} of the {size} images of class {label}; take at least one and leave one"
            )
    return sizes


def choose(targets: NDArray[np.int64], imbalance: Mapping[str, Any], val: Val, data_seed: int) -> Subset:
    """Choose the images of a run.

    Of each class's permutation the last ones are for validation and the first ones for training, so that the training
    images stay those of a run without validation as far as they can.

    Args:
        targets: labels of all training images, (N,), every class of 0..C-1 present.
        imbalance: see `class_counts`; its class sizes are those that validation leaves.
        val: "none", {"per_class": k} or {"fraction": f}.
        data_seed: of the permutations.

    Raises:
        SpecError: a class is too small for what is asked.
    """
    by_class = [np.flatnonzero(targets == label) for label in range(int(targets.max()) + 1)]
    sizes = [len(indices) for indices in by_class]
    held = _val_sizes(val, sizes)
    counts = class_counts(imbalance, [size - h for size, h in zip(sizes, held, strict=True)])
    ordered = [indices[ranks] for indices, ranks in zip(by_class, permuted_ranks(sizes, data_seed), strict=True)]
    train = [indices[:count] for indices, count in zip(ordered, counts, strict=True)]
    validation = [indices[len(indices) - h :] for indices, h in zip(ordered, held, strict=True)]
    return Subset(np.concatenate(train), np.concatenate(validation), tuple(counts))
