"""Images that live on the device as bytes, and the batches made of them there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainers.data.images import Dataset, Split
from trainers.draws import generator

PADDING: Final = 4


@dataclass(frozen=True)
class Resident:
    """A split on the device.

    Attributes:
        pixels: (N, H, W, 3) uint8.
        targets: (N,) int64.
    """

    pixels: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)


def resident(split: Split, indices: NDArray[np.int64] | slice, device: torch.device) -> Resident:
    """Copy the chosen images of a split to the device.

    Args:
        split: may be memory-mapped; only what is chosen is read.
        indices: of the images, (N,), or a slice of them.
        device: where to.
    """
    pixels = torch.from_numpy(split.images[indices].copy())
    targets = torch.from_numpy(split.targets[indices].copy())
    return Resident(pixels.to(device), targets.to(device))


@dataclass(frozen=True)
class Pixels:
    """How bytes become what a network sees: (x / 255 - mean) / std, as one multiplication and one addition.

    Attributes:
        scale: (3,) float32.
        shift: (3,) float32.
    """

    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, dataset: Dataset, device: torch.device) -> Pixels:
        """The normalisation of a data set."""
        mean, std = torch.tensor(dataset.mean), torch.tensor(dataset.std)
        return cls((1 / (255 * std)).to(device), (-mean / std).to(device))

    def normalise(self, pixels: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 to (N, 3, H, W) float32 in channels_last layout."""
        return torch.addcmul(self.shift, pixels.float(), self.scale).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class EpochDraws:
    """All random numbers of one epoch, drawn at its start, so that a resumed epoch goes on with the same ones.

    Attributes:
        order: the images in the order in which they are seen, (N,) int64.
        offsets: of the crop of the i-th image seen: rows and columns, (N, 2) int64 in 0..2 * PADDING.
        flips: whether the i-th image seen is mirrored, (N,) bool.
    """

    order: Tensor
    offsets: Tensor
    flips: Tensor

    @classmethod
    def of(cls, count: int, seed: int, epoch: int, device: torch.device) -> EpochDraws:
        """Draw for `count` images; the same on every device and for any number of ranks."""
        order = torch.randperm(count, generator=generator(seed, "order", epoch))
        offsets = torch.randint(2 * PADDING + 1, (count, 2), generator=generator(seed, "crop", epoch))
        flips = torch.rand(count, generator=generator(seed, "flip", epoch)) < 0.5
        return cls(order.to(device), offsets.to(device), flips.to(device))


def crop_and_flip(pixels: Tensor, offsets: Tensor, flips: Tensor | None) -> Tensor:
    """Random crops of images padded by 4 black pixels a side, and mirrored ones, each image on its own.

    The padding is black, as of a crop before normalisation.

    Args:
        pixels: (N, H, W, 3) uint8.
        offsets: upper left corners in the padded image, (N, 2) int64.
        flips: which crops are mirrored, (N,) bool; None: none.

    Returns:
        (N, H, W, 3) uint8.
    """
    count, height, width, _ = pixels.shape
    padded = F.pad(pixels, (0, 0, PADDING, PADDING, PADDING, PADDING))
    rows = offsets[:, :1] + torch.arange(height, device=pixels.device)
    across = torch.arange(width, device=pixels.device).expand(count, -1)
    if flips is not None:
        across = torch.where(flips[:, None], width - 1 - across, across)
    columns = offsets[:, 1:] + across
    samples = torch.arange(count, device=pixels.device)
    return padded[samples[:, None, None], rows[:, :, None], columns[:, None, :]]
