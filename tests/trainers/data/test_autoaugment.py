"""AutoAugment is torchvision's with the draws fixed, and the draws have the distribution that it draws from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms.autoaugment import AutoAugment as Reference
from torchvision.transforms.autoaugment import AutoAugmentPolicy

from trainers.data.autoaugment import POLICY, AutoAugment, Draws, numbers_of, policy_operations
from trainers.data.operations import Operations

CPU = torch.device("cpu")
COUNT = 20_000


class Fixed(Reference):  # type: ignore[misc]
    """torchvision's, with draws that are given."""

    def __init__(self, policy: int, probabilities: Tensor, signs: Tensor) -> None:
        super().__init__(AutoAugmentPolicy.CIFAR10)
        self.drawn = policy, probabilities, signs

    def get_params(self, transform_num: int) -> tuple[int, Tensor, Tensor]:
        return self.drawn


def pixels(count: int, size: int = 32) -> Tensor:
    """Half of them noise, half of them smooth and of low contrast."""
    drawn = torch.Generator().manual_seed(count)
    noise = torch.randint(0, 256, (count // 2, size, size, 3), dtype=torch.uint8, generator=drawn)
    coarse = torch.rand(count - count // 2, 3, 3, 3, generator=drawn) * 80 + 60
    smooth = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear").permute(0, 2, 3, 1)
    return torch.cat([noise, smooth.to(torch.uint8)])


def test_the_policy_is_that_of_torchvision() -> None:
    assert list(POLICY) == Reference(AutoAugmentPolicy.CIFAR10).policies


@pytest.mark.parametrize("size", [32, 28])
def test_an_epoch_is_what_torchvision_makes_of_the_same_draws(size: int) -> None:
    images = pixels(600, size)
    made = AutoAugment.of(600, size, 5, 1, CPU)(images, slice(0, 600))
    draws = Draws.of(600, 5, 1)
    for index, image in enumerate(images):
        fixed = Fixed(int(draws.policies[index]), draws.probabilities[index], draws.signs[index])
        assert torch.equal(made[index], fixed(image.permute(2, 0, 1)).permute(1, 2, 0)), fixed.drawn


def test_every_sub_policy_with_all_signs_and_every_choice_is_that_of_torchvision() -> None:
    every = torch.cartesian_prod(torch.arange(25), *[torch.arange(2)] * 4)
    draws = Draws(every[:, 0], every[:, 1:3] * 0.999, every[:, 3:])
    images = pixels(len(every))
    made = AutoAugment(numbers_of(draws), Operations.of(policy_operations(32), 32, CPU))(images, slice(None))
    for index, image in enumerate(images):
        fixed = Fixed(int(draws.policies[index]), draws.probabilities[index], draws.signs[index])
        assert torch.equal(made[index], fixed(image.permute(2, 0, 1)).permute(1, 2, 0)), fixed.drawn


def test_draws_are_uniform_and_do_not_hang_together() -> None:
    draws = Draws.of(COUNT, 0, 0)
    counts = torch.bincount(draws.policies, minlength=25)
    assert len(counts) == 25
    assert float(((counts - COUNT / 25) ** 2 / (COUNT / 25)).sum()) < 52  # chi-square, 24 degrees: 0.1 % lie above
    assert 0 <= float(draws.probabilities.min()) < 0.001
    assert 0.999 < float(draws.probabilities.max()) < 1
    numbers = torch.cat([draws.policies[:, None], draws.probabilities, draws.signs], dim=1).double()
    torch.testing.assert_close(numbers[:, 1:].mean(dim=0), torch.full((4,), 0.5).double(), rtol=0, atol=0.015)
    correlations = torch.corrcoef(numbers.T) - torch.eye(5)
    assert float(correlations.abs().max()) < 0.03


def test_operations_are_applied_as_often_as_the_policy_says_with_both_signs_as_often() -> None:
    draws = Draws.of(COUNT, 3, 0)
    numbers = numbers_of(draws)
    for policy, both in enumerate(POLICY):
        chosen = numbers[draws.policies == policy]
        for slot, (_, probability, _) in enumerate(both):
            first = 1 + 4 * policy + 2 * slot
            applied = chosen[:, slot][chosen[:, slot] > 0]
            assert set(applied.tolist()) <= {first, first + 1}
            assert len(applied) / len(chosen) == pytest.approx(probability, abs=0.07)
            if len(applied) > 100:
                assert float((applied - first).double().mean()) == pytest.approx(0.5, abs=0.2)


def test_batches_of_any_size_are_slices_of_the_epoch() -> None:
    images = pixels(200)
    augment = AutoAugment.of(200, 32, 1, 4, CPU)
    whole = augment(images, slice(0, 200))
    for size in (1, 7, 64):
        batches = [slice(start, min(start + size, 200)) for start in range(0, 200, size)]
        assert torch.equal(torch.cat([augment(images[batch], batch) for batch in batches]), whole)


def test_an_epoch_draws_the_same_each_time_and_another_epoch_or_seed_something_else() -> None:
    first, again, epoch, seed = (Draws.of(500, *key) for key in ((7, 2), (7, 2), (7, 3), (8, 2)))
    for name in ("policies", "probabilities", "signs"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(epoch, name))
        assert not torch.equal(getattr(first, name), getattr(seed, name))
