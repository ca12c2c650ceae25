"""How many images each class keeps, and which: pure functions over class sizes; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.errors import SpecError


def _exp(n_max: int, mu: float, num_classes: int) -> list[int]:
    return [int(n_max * mu ** (c / (num_classes - 1))) for c in range(num_classes)]


def _step(n_max: int, mu: float, num_classes: int) -> list[int]:
    head = num_classes // 2
    return [n_max] * head + [int(n_max * mu)] * (num_classes - head)


def _head_tail(n_max: int, mu: float, num_classes: int) -> list[int]:
    head = num_classes // 2
    tail = num_classes - head
    return [n_max] * head + [int(n_max * mu ** (j / max(tail - 1, 1))) for j in range(tail)]


_PROFILES = {"exp": _exp, "step": _step, "head_tail": _head_tail}


def class_counts(imbalance: Mapping[str, Any], class_sizes: Sequence[int]) -> list[int]:
    """Images that each class keeps for training.

    `exp`: int(n_max mu^(c / (C - 1))). `step`: the first C // 2 classes keep n_max, the others int(n_max mu).
    `head_tail`: the first C // 2 keep n_max, the others int(n_max mu^(j / (C - C // 2 - 1))), j from 0.
    Fractions are cut off, not rounded: rounding gives another data set.

    Args:
        imbalance: `type`; unless that is `none`, `mu` (n_min / n_max, a fraction as text) and `n_max` (None: the
            smallest class).
        class_sizes: images to choose from, (C,).

    Raises:
        SpecError: fewer than two classes, n_max above what a class has, or a class that would keep nothing.
    Source: Cao et al., NeurIPS 2019, as in kaidic/LDAM-DRW; `head_tail`: the ICTTA code.
    """
    if imbalance["type"] == "none":
        return list(class_sizes)
    if len(class_sizes) < 2:
        raise SpecError(f"imbalance {imbalance['type']!r} needs at least two classes; this data set has one")
    n_max = imbalance.get("n_max")
    n_max = min(class_sizes) if n_max is None else int(n_max)
    counts = _PROFILES[imbalance["type"]](n_max, float(Fraction(imbalance["mu"])), len(class_sizes))
    for label, (count, size) in enumerate(zip(counts, class_sizes, strict=True)):
        if count > size:
            raise SpecError(f"imbalance asks for {count} images of class {label}, which has {size}; lower n_max")
        if count < 1:
            raise SpecError(f"imbalance leaves class {label} without images; use a smaller ratio or a larger n_max")
    return counts


def permuted_ranks(class_sizes: Sequence[int], data_seed: int) -> list[NDArray[np.int64]]:
    """Each class's images in the order in which they are kept, as ranks inside the class.

    One stream of the legacy generator, class after class: a class consumes the same part of it however many images
    are kept, so the subsets of one seed are nested.

    Source: kaidic/LDAM-DRW `imbalance_cifar.py`, which shuffles with the global generator seeded with 0.
    """
    stream = np.random.RandomState(data_seed)
    permutations = []
    for size in class_sizes:
        ranks = np.arange(size, dtype=np.int64)
        stream.shuffle(ranks)
        permutations.append(ranks)
    return permutations
