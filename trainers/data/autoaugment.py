"""AutoAugment's CIFAR-10 policy on whole batches, on the device.

Each image draws one of 25 sub-policies: two operations, each applied with a probability of its own. Images are put in
order by operation, so that each runs once over all images that drew it. Which did is known on the host: nothing waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from trainers.data.operations import IDENTITY, Operation, Operations, operation
from trainers.draws import generator

# A sub-policy: two operations, the probability of each, and its magnitude in ten bins (None: it has none).
POLICY: Final[tuple[tuple[tuple[str, float, int | None], tuple[str, float, int | None]], ...]] = (
    (("Invert", 0.1, None), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, None), ("Equalize", 0.9, None)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, None), ("Equalize", 0.5, None)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, None), ("AutoContrast", 0.4, None)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, None)),
    (("Equalize", 0.2, None), ("AutoContrast", 0.6, None)),
    (("Equalize", 0.2, None), ("Equalize", 0.6, None)),
    (("Color", 0.9, 9), ("Equalize", 0.6, None)),
    (("AutoContrast", 0.8, None), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, None)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, None), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, None), ("Invert", 0.1, None)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, None)),
)


@dataclass(frozen=True)
class Draws:
    """An epoch's random numbers, on the host.

    Attributes:
        policies: the sub-policy of the i-th image seen, (N,) int64 in 0..24.
        probabilities: an operation is applied where this is at most its probability, (N, 2) float32 in [0, 1).
        signs: of an operation's magnitude: 0 negative, 1 positive, (N, 2) int64.
    """

    policies: Tensor
    probabilities: Tensor
    signs: Tensor

    @classmethod
    def of(cls, count: int, seed: int, epoch: int) -> Draws:
        """Draw for `count` images."""
        return cls(
            torch.randint(len(POLICY), (count,), generator=generator(seed, "autoaugment policy", epoch)),
            torch.rand(count, 2, generator=generator(seed, "autoaugment probability", epoch)),
            torch.randint(2, (count, 2), generator=generator(seed, "autoaugment sign", epoch)),
        )


@dataclass(frozen=True)
class AutoAugment:
    """An epoch's AutoAugment.

    Attributes:
        numbers: of the two operations of the i-th image seen, (N, 2) int64 on the host.
        operations: what the numbers stand for; 0 leaves an image as it is.

    Source: Cubuk et al., CVPR 2019, the policy found on CIFAR-10; operations, magnitudes and black corners as
    in torchvision's `AutoAugment` on byte tensors, to the bit.
    """

    numbers: Tensor
    operations: Operations

    @classmethod
    def of(cls, count: int, size: int, seed: int, epoch: int, device: torch.device) -> AutoAugment:
        """Draw for `count` images of `size` x `size` pixels."""
        operations = Operations.of(policy_operations(size), size, device)
        return cls(numbers_of(Draws.of(count, seed, epoch)), operations)

    def __call__(self, pixels: Tensor, chosen: slice) -> Tensor:
        """Apply both operations of each image seen at `chosen`."""
        for numbers in self.numbers[chosen].unbind(dim=1):
            pixels = self.operations(pixels, numbers)
        return pixels


def policy_operations(size: int) -> tuple[Operation, ...]:
    """Nothing; then the policy's operations on images of this size, in its order, each with both signs."""
    signed = (
        operation(name, level, size, is_negative=sign == 0)
        for both in POLICY
        for name, _, level in both
        for sign in (0, 1)
    )
    return (IDENTITY, *signed)


def numbers_of(draws: Draws) -> Tensor:
    """Which of `policy_operations` the draws mean, (N, 2) int64."""
    limits = torch.tensor([[probability for _, probability, _ in both] for both in POLICY])
    is_applied = draws.probabilities <= limits[draws.policies]
    numbers = 1 + 4 * draws.policies[:, None] + 2 * torch.arange(2) + draws.signs
    return torch.where(is_applied, numbers, 0)
