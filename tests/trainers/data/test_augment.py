"""Augmented batches are those that PIL and torchvision would make of the same draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as transforms

from trainers.data.augment import CUTOUT, PADDING, STEPS, Augmentation, CropAndFlip, Cutout, crop_and_flip, cut_out
from trainers.data.autoaugment import AutoAugment
from trainers.errors import SpecError

CPU = torch.device("cpu")


def noise(count: int, size: int = 32) -> Tensor:
    """Pixels that are never black, so that what is black was made so."""
    drawn = torch.Generator().manual_seed(count)
    return torch.randint(1, 256, (count, size, size, 3), dtype=torch.uint8, generator=drawn)


def augmentation(name: str, *, count: int = 300, size: int = 32, seed: int = 7, epoch: int = 2) -> Augmentation:
    return Augmentation.of(name, count=count, size=size, has_flips=True, seed=seed, epoch=epoch, device=CPU)


@pytest.mark.parametrize("size", [32, 8])
def test_crops_and_flips_are_those_of_torchvision(size: int) -> None:
    offsets = torch.tensor([[0, 0], [8, 8], [4, 4], [0, 8], [3, 6], [7, 1]])
    flips = torch.tensor([False, True, False, True, True, False])
    images = noise(6, size)
    made = crop_and_flip(images, offsets, flips)
    unmirrored = crop_and_flip(images, offsets, None)
    for index, image in enumerate(images):
        padded = transforms.pad(Image.fromarray(image.numpy()), [PADDING])
        cropped = transforms.crop(padded, int(offsets[index, 0]), int(offsets[index, 1]), size, size)
        expected = transforms.hflip(cropped) if flips[index] else cropped
        assert (made[index].numpy() == np.asarray(expected)).all()
        assert (unmirrored[index].numpy() == np.asarray(cropped)).all()


def test_crops_of_images_that_are_a_view_of_larger_ones_are_those_of_copies() -> None:
    offsets, flips = torch.tensor([[3, 6], [7, 1]]), torch.tensor([True, False])
    view = noise(4, 64)[::2, 5:37, 9:41]
    assert torch.equal(crop_and_flip(view, offsets, flips), crop_and_flip(view.contiguous(), offsets, flips))


@pytest.mark.parametrize(("size", "side"), [(32, 16), (64, 16), (28, 14), (16, 8), (8, 4)])
def test_a_hole_is_a_black_square_about_its_centre_cut_off_at_the_borders(size: int, side: int) -> None:
    images = noise(200, size)
    cutout = Cutout.of(200, size, 0, 0, CPU)
    made = cutout(images, slice(0, 200))
    for image, (row, column), result in zip(images, cutout.centres.tolist(), made, strict=True):
        top, left = max(row - side // 2, 0), max(column - side // 2, 0)
        height, width = (min(centre + side // 2, size) - first for centre, first in ((row, top), (column, left)))
        hole = transforms.erase(image.permute(2, 0, 1), top, left, height, width, torch.tensor(0))
        assert torch.equal(result, hole.permute(1, 2, 0))
    assert int((made == 0).all(dim=3).sum(dim=(1, 2)).max()) == side**2


def test_the_centre_of_a_hole_may_be_any_pixel() -> None:
    centres = Cutout.of(40_000, 32, 0, 0, CPU).centres
    counts = torch.bincount(centres[:, 0] * 32 + centres[:, 1], minlength=1024)
    assert len(counts) == 1024
    assert float(((counts - 40_000 / 1024) ** 2 / (40_000 / 1024)).sum()) < 1168  # chi-square: 0.1 % lie above


def test_each_name_does_its_steps_in_their_order() -> None:
    images, chosen = noise(300), slice(0, 300)
    weak = CropAndFlip.of(300, True, 7, 2, CPU)(images, chosen)
    augmented = AutoAugment.of(300, 32, 7, 2, CPU)(weak, chosen)
    cutout = Cutout.of(300, 32, 7, 2, CPU)
    assert augmentation("none")(images, chosen) is images
    assert torch.equal(augmentation("weak")(images, chosen), weak)
    assert torch.equal(augmentation("autoaugment")(images, chosen), augmented)
    assert torch.equal(augmentation("cutout")(images, chosen), cut_out(weak, cutout.centres, CUTOUT // 2))
    assert torch.equal(augmentation("strong")(images, chosen), cut_out(augmented, cutout.centres, CUTOUT // 2))


@pytest.mark.parametrize("name", STEPS)
def test_batches_of_any_size_are_slices_of_the_epoch_and_leave_the_images_alone(name: str) -> None:
    images = noise(300)
    before = images.clone()
    augment = augmentation(name)
    whole = augment(images, slice(0, 300))
    assert whole.dtype == torch.uint8
    assert whole.shape == images.shape
    for size in (1, 128):
        batches = [slice(start, min(start + size, 300)) for start in range(0, 300, size)]
        assert torch.equal(torch.cat([augment(images[batch], batch) for batch in batches]), whole)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", [name for name in STEPS if name != "none"])
def test_an_epoch_is_the_same_each_time_and_another_epoch_or_seed_is_another(name: str) -> None:
    images, chosen = noise(300), slice(0, 300)
    first = augmentation(name)(images, chosen)
    assert torch.equal(augmentation(name)(images, chosen), first)
    assert not torch.equal(augmentation(name, epoch=3)(images, chosen), first)
    assert not torch.equal(augmentation(name, seed=8)(images, chosen), first)


def test_draws_cover_every_offset_and_both_sides() -> None:
    draws = CropAndFlip.of(2000, True, 0, 0, CPU)
    assert draws.flips is not None
    assert set(map(tuple, draws.offsets.tolist())) == {(row, column) for row in range(9) for column in range(9)}
    assert 0.4 < float(draws.flips.float().mean()) < 0.6


def test_crops_and_flips_are_those_of_runs_long_done() -> None:
    draws = CropAndFlip.of(5, True, 7, 2, CPU)
    assert draws.offsets.tolist() == [[4, 7], [6, 3], [1, 7], [7, 6], [7, 1]]
    assert draws.flips is not None
    assert draws.flips.tolist() == [True, True, False, False, False]


def test_data_that_must_not_be_mirrored_is_not_and_is_cropped_alike() -> None:
    mirrored, unmirrored = (CropAndFlip.of(50, has_flips, 0, 0, CPU) for has_flips in (True, False))
    assert unmirrored.flips is None
    images = noise(50)
    assert torch.equal(mirrored.offsets, unmirrored.offsets)
    assert torch.equal(unmirrored(images, slice(0, 50)), crop_and_flip(images, mirrored.offsets, None))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="unknown augmentation 'stronk'; did you mean 'strong'"):
        augmentation("stronk")
