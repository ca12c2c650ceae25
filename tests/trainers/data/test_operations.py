"""Every operation does to each image of a batch what torchvision's function does to that image alone, to the bit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import AutoAugment as Reference
from torchvision.transforms.autoaugment import AutoAugmentPolicy, _apply_op

from trainers.data.operations import BINS, IDENTITY, Operation, Operations, operation

CPU = torch.device("cpu")
SIGNED = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")
UNSIGNED = ("Posterize", "Solarize")
PLAIN = ("AutoContrast", "Equalize", "Invert")


def pictures(size: int) -> Tensor:
    """Noise, a smooth picture of low contrast, one with few values, one of one colour and a black one."""
    drawn = torch.Generator().manual_seed(size)
    noise = torch.randint(0, 256, (3, size, size, 3), dtype=torch.uint8, generator=drawn)
    ramp = torch.linspace(90, 140, size)
    smooth = (ramp[:, None, None] + ramp[None, :, None] / 4 + torch.tensor([0.0, 5.0, 9.0])).to(torch.uint8)
    few = torch.tensor([3, 77, 250], dtype=torch.uint8)[torch.randint(3, (size, size, 3), generator=drawn)]
    plain = torch.tensor([77, 0, 255], dtype=torch.uint8).expand(size, size, 3)
    return torch.cat([noise, torch.stack([smooth, few, plain, torch.zeros_like(few)])])


def reference(images: Tensor, one: Operation) -> Tensor:
    """What torchvision's AutoAugment does to byte tensors, image by image."""
    made = [
        _apply_op(image, one.name, one.magnitude, InterpolationMode.NEAREST, None)
        for image in images.permute(0, 3, 1, 2)
    ]
    return torch.stack(made).permute(0, 2, 3, 1)


def every_operation(size: int) -> Iterator[Operation]:
    """Each in every magnitude bin and with both signs."""
    for name in SIGNED:
        yield from (operation(name, level, size, is_negative=sign) for level in range(BINS) for sign in (True, False))
    for name in UNSIGNED:
        yield from (operation(name, level, size, is_negative=False) for level in range(BINS))
    yield from (operation(name, None, size, is_negative=False) for name in PLAIN)


def apply_alone(images: Tensor, one: Operation) -> Tensor:
    operations = Operations.of([one], images.shape[1], CPU)
    return operations(images, torch.zeros(len(images), dtype=torch.int64))


@pytest.mark.parametrize("size", [32, 33, 8, 64])
@pytest.mark.parametrize("name", [*SIGNED, *UNSIGNED, *PLAIN])
def test_an_operation_is_that_of_torchvision_in_every_bin_with_both_signs(name: str, size: int) -> None:
    images = pictures(size)
    tried = [one for one in every_operation(size) if one.name == name]
    assert len(tried) == (2 * BINS if name in SIGNED else BINS if name in UNSIGNED else 1)
    for one in tried:
        made, expected = apply_alone(images, one), reference(images, one)
        assert torch.equal(made, expected), f"{one}: {int((made != expected).sum())} of {made.numel()} bytes differ"


@pytest.mark.parametrize("size", [32, 224])
def test_magnitudes_are_those_of_torchvision(size: int) -> None:
    space = Reference(AutoAugmentPolicy.CIFAR10)._augmentation_space(BINS, (size, size))
    assert set(space) == {*SIGNED, *UNSIGNED, *PLAIN}
    for name, (magnitudes, is_signed) in space.items():
        assert is_signed == (name in SIGNED)
        for level in range(BINS) if magnitudes.ndim else ():
            found = operation(name, level, size, is_negative=False).magnitude
            assert found == float(magnitudes[level])
            if is_signed:
                assert operation(name, level, size, is_negative=True).magnitude == -found


def test_a_batch_of_all_operations_in_any_order_is_each_image_by_itself() -> None:
    chosen = [IDENTITY, *every_operation(32)]
    images = torch.cat([pictures(32)] * (len(chosen) // 7 + 1))
    numbers = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)) % len(chosen)
    made = Operations.of(chosen, 32, CPU)(images, numbers)
    for image, number, result in zip(images, numbers, made, strict=True):
        assert torch.equal(result[None], reference(image[None], chosen[int(number)])), chosen[int(number)]


def test_what_is_given_stays_as_it_is() -> None:
    chosen = [IDENTITY, *every_operation(32)]
    images = pictures(32)
    before = images.clone()
    operations = Operations.of(chosen, 32, CPU)
    for start in range(0, len(chosen), len(images)):
        operations(images, torch.arange(start, start + len(images)) % len(chosen))
    assert torch.equal(images, before)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tiny_images_are_no_trouble(size: int) -> None:
    images = pictures(size)
    for one in every_operation(size):
        assert torch.equal(apply_alone(images, one), reference(images, one)), one


def test_no_image_at_all_is_no_trouble() -> None:
    none = torch.zeros(0, 32, 32, 3, dtype=torch.uint8)
    assert apply_alone(none, operation("Equalize", None, 32, is_negative=False)).shape == none.shape
