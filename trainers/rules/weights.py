"""Class weights that follow from the class counts, with a mean of one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trainers.errors import SpecError


def effective_number_weights(class_counts: Sequence[int], beta: float) -> Tensor:
    """1 / E_n with E_n = (1 - beta^n) / (1 - beta), scaled to a mean of 1.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        beta: in 0..1, 1 left out; 0 weighs all alike, and near 1 it is 1/n.

    Returns:
        (C,) float64 on the CPU.

    Raises:
        SpecError: a class without images, or beta out of range.

    Source: Cui et al., CVPR 2019, eq. 2 and 4.
    """
    if not 0 <= beta < 1:
        raise SpecError(f"beta is {beta:g}; it must be at least 0 and less than 1")
    counts = _checked(class_counts)
    if beta == 0:
        return torch.ones_like(counts)
    # expm1: with beta near 1 and few images 1 - beta^n would be a difference of almost equal numbers.
    return _mean_one(-1 / torch.expm1(counts * math.log(beta)))


def inverse_weights(class_counts: Sequence[int]) -> Tensor:
    """1 / n, scaled to a mean of 1; (C,) float64 on the CPU. Raises as `effective_number_weights`."""
    return _mean_one(1 / _checked(class_counts))


def sqrt_inverse_weights(class_counts: Sequence[int]) -> Tensor:
    """1 / sqrt(n), scaled to a mean of 1; (C,) float64 on the CPU. Raises as `effective_number_weights`."""
    return _mean_one(_checked(class_counts).rsqrt())


def _checked(class_counts: Sequence[int]) -> Tensor:
    counts = torch.as_tensor(class_counts, dtype=torch.float64)
    empty = [index for index, count in enumerate(class_counts) if count < 1]
    if empty:
        raise SpecError(f"class {empty[0]} has no training image, so it has no weight; leave the class out")
    return counts


def _mean_one(weights: Tensor) -> Tensor:
    return weights / weights.mean()
