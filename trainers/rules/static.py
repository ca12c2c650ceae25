"""Class weights from the first epoch to the last."""

from __future__ import annotations

from collections.abc import Sequence

from trainers.rules.rule import Rule
from trainers.rules.weights import effective_number_weights, inverse_weights


class Inverse(Rule):
    """1/n, scaled to a mean of 1.

    Args:
        class_counts: training images per class, (C,).

    Raises:
        SpecError: a class without images.
    """

    def __init__(self, class_counts: Sequence[int]) -> None:
        super().__init__(inverse_weights(class_counts))


class EffectiveNumber(Rule):
    """One over the effective number of images, scaled to a mean of 1.

    Args:
        class_counts: training images per class, (C,).
        beta: in 0..1, 1 left out; 0 weighs all alike, and near 1 it is 1/n.

    Raises:
        SpecError: a class without images, or beta out of range.

    Source: Cui et al., CVPR 2019, eq. 2.
    """

    def __init__(self, class_counts: Sequence[int], *, beta: float = 0.9999) -> None:
        super().__init__(effective_number_weights(class_counts, beta))
