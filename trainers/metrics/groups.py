"""Groups of classes by how many training images they have."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from trainers.calibration.inputs import Integers

Mask = npt.NDArray[np.bool_]

FEW_BELOW: Final = 20
MANY_ABOVE: Final = 100


def shots(class_counts: Integers) -> dict[str, Mask]:
    """Masks (C,) of the classes with many (n > 100), medium (20 <= n <= 100) and few (n < 20) training images.

    A mask may be empty: CIFAR-10 at ratio 100 has no `few`.

    Source: Liu et al., CVPR 2019 (OLTR).
    """
    many, few = class_counts > MANY_ABOVE, class_counts < FEW_BELOW
    return {"many": many, "medium": ~many & ~few, "few": few}


def tail_half(class_counts: Integers) -> Integers:
    """The C - C // 2 classes with the fewest training images; of equal counts, the larger index is the rarer."""
    num_classes = len(class_counts)
    rarest_first = np.lexsort((-np.arange(num_classes), class_counts))
    return np.sort(rarest_first[: num_classes - num_classes // 2])
