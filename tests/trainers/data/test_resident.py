"""Batches made on the device are those that PIL and torchvision would make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import functional as transforms

from trainers.data.augment import PADDING, crop_and_flip
from trainers.data.images import CIFAR10_MEAN, CIFAR10_STD, Dataset, Split
from trainers.data.resident import Pixels, resident

CPU = torch.device("cpu")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
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


def test_an_image_that_is_not_there_cannot_be_chosen() -> None:
    with pytest.raises(IndexError):
        resident(DATASET.train, np.array([6]), CPU)


@pytest.mark.parametrize("device", DEVICES)
def test_a_reader_gives_the_positions_of_its_order(device: str) -> None:
    images = resident(DATASET.train, np.array([4, 1, 5]), torch.device(device))
    assert (len(images), images.size) == (3, 32)
    reader = images.reader(torch.tensor([2, 0, 0, 1]), chunk=2)
    assert (reader.read(0, 4).cpu().numpy() == NOISE[[5, 4, 4, 1]]).all()
    assert (reader.read(3, 4).cpu().numpy() == NOISE[[1]]).all()
    assert reader.read(1, 1).shape == (0, 32, 32, 3)
