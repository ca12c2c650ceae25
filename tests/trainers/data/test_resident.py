"""Batches made on the device are those that PIL and torchvision would make."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import functional as transforms

from trainers.data.images import CIFAR10_MEAN, CIFAR10_STD, Dataset, Split
from trainers.data.resident import PADDING, EpochDraws, Pixels, crop_and_flip, resident

CPU = torch.device("cpu")
NOISE = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
DATASET = Dataset(Split(NOISE, np.arange(6)), Split(NOISE[:1], np.zeros(1, dtype=np.int64)), ("a",) * 6)


def reference(image: NDArray[np.uint8], top: int, left: int, flip: bool) -> torch.Tensor:
    """The transforms that the field uses, one image at a time."""
    padded = transforms.pad(Image.fromarray(image), [PADDING])
    cropped = transforms.crop(padded, top, left, 32, 32)
    tensor = transforms.to_tensor(transforms.hflip(cropped) if flip else cropped)
    normalised: torch.Tensor = transforms.normalize(tensor, CIFAR10_MEAN, CIFAR10_STD)
    return normalised


def test_crop_flip_and_normalisation_are_those_of_torchvision() -> None:
    offsets = torch.tensor([[0, 0], [8, 8], [4, 4], [0, 8], [3, 6], [7, 1]])
    flips = torch.tensor([False, True, False, True, True, False])
    images = resident(DATASET.train, slice(None), CPU)
    made = Pixels.of(DATASET, CPU).normalise(crop_and_flip(images.pixels, offsets, flips))
    expected = [
        reference(image, int(top), int(left), bool(flip))
        for image, (top, left), flip in zip(NOISE, offsets, flips, strict=True)
    ]
    torch.testing.assert_close(made, torch.stack(expected), rtol=0, atol=1e-5)
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_only_the_chosen_images_become_resident_in_their_order() -> None:
    chosen = resident(DATASET.train, np.array([4, 1]), CPU)
    assert chosen.targets.tolist() == [4, 1]
    assert (chosen.pixels.numpy() == NOISE[[4, 1]]).all()


def test_an_epoch_draws_the_same_each_time_and_another_epoch_something_else() -> None:
    first, again, other = (EpochDraws.of(50, 7, epoch, CPU) for epoch in (2, 2, 3))
    assert first.order.tolist() == again.order.tolist()
    assert first.offsets.tolist() == again.offsets.tolist()
    assert first.flips.tolist() == again.flips.tolist()
    assert first.order.tolist() != other.order.tolist()
    assert first.offsets.tolist() != other.offsets.tolist()


def test_draws_cover_every_image_every_offset_and_both_sides() -> None:
    draws = EpochDraws.of(2000, 0, 0, CPU)
    assert sorted(draws.order.tolist()) == list(range(2000))
    assert set(draws.offsets.flatten().tolist()) == set(range(2 * PADDING + 1))
    assert 0.4 < float(draws.flips.float().mean()) < 0.6
