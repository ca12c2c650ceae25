"""Groups of classes by how many training images they have, as the literature draws them; an empty one is absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from trainers.calibration.inputs import Integers

Mask = npt.NDArray[np.bool_]

GROUPS: Final = ("many", "medium", "few")
FEW_BELOW: Final = 20
MANY_ABOVE: Final = 100
# MiSLAS's index ranges: where `medium` and `few` begin, by the number of classes.
_MISLAS: Final[Mapping[int, tuple[int, int]]] = {10: (3, 7), 100: (36, 71)}


def shots(class_counts: Integers) -> dict[str, Mask]:
    """Masks (C,) of the classes with many (n > 100), medium (20 <= n <= 100) and few (n < 20) training images.

    A mask may be empty: CIFAR-10 at ratio 100 has no `few`.

    Source: Liu et al., CVPR 2019 (OLTR).
    """
    return _cut(class_counts > MANY_ABOVE, class_counts < FEW_BELOW)


def shots_le20(class_counts: Integers) -> dict[str, Mask]:
    """As `shots`, but a class of exactly 20 images is one of few.

    Source: Du et al., CVPR 2023 (GLMC).
    """
    return _cut(class_counts > MANY_ABOVE, class_counts <= FEW_BELOW)


def mislas(class_counts: Integers) -> dict[str, Mask]:
    """Fixed ranges of the class index, whatever the counts: of 100 classes 36, 35 and 29, of 10 classes 3, 4 and 3.

    All masks are empty for any other number of classes, for which no range is published.

    Source: Zhong et al., CVPR 2021 (MiSLAS).
    """
    num_classes = len(class_counts)
    if num_classes not in _MISLAS:
        nothing = np.zeros(num_classes, dtype=np.bool_)
        return dict.fromkeys(GROUPS, nothing)
    index = np.arange(num_classes)
    medium, few = _MISLAS[num_classes]
    return _cut(index < medium, index >= few)


def thirds(class_counts: Integers) -> dict[str, Mask]:
    """The C // 3 classes with the most training images, the next C // 3, and the rest.

    Of equal counts, the larger index is the rarer.
    """
    rank = np.empty(len(class_counts), dtype=np.int64)
    rank[np.argsort(-class_counts, kind="stable")] = np.arange(len(class_counts))
    third = len(class_counts) // 3
    return _cut(rank < third, rank >= 2 * third)


CONVENTIONS: Final[Mapping[str, Callable[[Integers], dict[str, Mask]]]] = {
    "shots": shots,
    "shots_le20": shots_le20,
    "mislas": mislas,
    "thirds": thirds,
}


def groups_by_convention(class_counts: Integers) -> dict[str, dict[str, Mask]]:
    """Convention -> group -> mask (C,): groups that hold a class, of the conventions that have such a group."""
    found = {
        name: {group: mask for group, mask in of_counts(class_counts).items() if mask.any()}
        for name, of_counts in CONVENTIONS.items()
    }
    return {name: masks for name, masks in found.items() if masks}


def tail_half(class_counts: Integers) -> Integers:
    """The C - C // 2 classes with the fewest training images; of equal counts, the larger index is the rarer."""
    num_classes = len(class_counts)
    rarest_first = np.lexsort((-np.arange(num_classes), class_counts))
    return np.sort(rarest_first[: num_classes - num_classes // 2])


def _cut(many: Mask, few: Mask) -> dict[str, Mask]:
    return {"many": many, "medium": ~many & ~few, "few": few}
