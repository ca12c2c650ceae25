"""Class weights are those of the papers, and of their definitions summed up term by term."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from trainers.errors import SpecError
from trainers.rules.weights import effective_number_weights, inverse_weights, sqrt_inverse_weights

COUNTS = [100, 10, 1]
CIFAR10_IR100 = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
CIFAR100_IR100 = [int(500 * 0.01 ** (index / 99)) for index in range(100)]


def of_series(counts: Sequence[int], beta: float) -> list[float]:
    """One over 1 + beta + ... + beta^(n-1), with a mean of 1."""
    inverse = [1 / math.fsum(beta**power for power in range(count)) for count in counts]
    return [weight * len(counts) / math.fsum(inverse) for weight in inverse]


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (0.9, [0.239329, 0.367442, 2.393229]),
        (0.99, [0.042237, 0.280044, 2.677719]),
        (0.999, [0.028363, 0.271256, 2.700381]),
        (0.9999, [0.027159, 0.270369, 2.702472]),
    ],
)
def test_effective_numbers_are_the_reference_ones(beta: float, expected: list[float]) -> None:
    assert effective_number_weights(COUNTS, beta).tolist() == pytest.approx(expected, abs=1e-6)


def test_effective_numbers_of_the_long_tailed_cifars() -> None:
    ten = effective_number_weights(CIFAR10_IR100, 0.9999).tolist()
    assert ten[:3] == pytest.approx([0.0506, 0.0769, 0.1211], abs=5e-5)
    assert ten[-3:] == pytest.approx([1.443, 2.409, 3.993], abs=5e-4)
    hundred = effective_number_weights(CIFAR100_IR100, 0.9999).tolist()
    assert (hundred[0], hundred[-1]) == (pytest.approx(0.045, abs=5e-4), pytest.approx(4.38, abs=5e-3))


@pytest.mark.parametrize("beta", [1e-3, 0.5, 0.9, 0.9999, 1 - 1e-12])
def test_effective_numbers_are_sums_of_powers(beta: float) -> None:
    assert effective_number_weights(CIFAR10_IR100, beta).tolist() == pytest.approx(
        of_series(CIFAR10_IR100, beta), rel=1e-9
    )


def test_effective_numbers_lie_between_all_alike_and_one_over_n() -> None:
    assert effective_number_weights(COUNTS, 0.0).tolist() == [1, 1, 1]
    torch.testing.assert_close(effective_number_weights(COUNTS, 1 - 1e-15), inverse_weights(COUNTS))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (inverse_weights, [0.027027, 0.270270, 2.702703]),
        (sqrt_inverse_weights, [0.211830, 0.669866, 2.118303]),
    ],
)
def test_powers_of_n_are_the_reference_ones(weights: Callable[[Sequence[int]], Tensor], expected: list[float]) -> None:
    assert weights(COUNTS).tolist() == pytest.approx(expected, abs=1e-6)


def test_the_mean_is_one() -> None:
    of_all = [
        effective_number_weights(CIFAR100_IR100, 0.9999),
        inverse_weights(CIFAR100_IR100),
        sqrt_inverse_weights(CIFAR100_IR100),
    ]
    for weights in of_all:
        assert weights.dtype == torch.float64
        assert float(weights.mean()) == pytest.approx(1, abs=1e-12)


def test_a_class_without_images_and_a_beta_of_one_are_refused() -> None:
    with pytest.raises(SpecError, match="class 1 has no training image"):
        inverse_weights([3, 0, 1])
    with pytest.raises(SpecError, match="beta is 1; it must be at least 0 and less than 1"):
        effective_number_weights(COUNTS, 1.0)
