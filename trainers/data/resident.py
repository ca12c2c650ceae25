"""Images that live on the device as bytes, and the batches made of them there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.data.images import Dataset, Split


@dataclass(frozen=True)
class Resident:
    """A split on the device: `Images` that need no fetching.

    Attributes:
        pixels: (N, H, W, 3) uint8.
        targets: (N,) int64.
    """

    pixels: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self.pixels.shape[1]

    def reader(self, order: Tensor, chunk: int) -> ResidentReader:  # noqa: ARG002 - there is nothing to fetch
        """See `Images.reader`."""
        return ResidentReader(self.pixels, on_device(order, self.pixels.device))


@dataclass(frozen=True)
class ResidentReader:
    """Reads from the device's own memory.

    Attributes:
        pixels: of all images, (N, H, W, 3) uint8.
        order: on the same device, (M,) int64.
    """

    pixels: Tensor
    order: Tensor

    def read(self, start: int, stop: int) -> Tensor:
        """See `Reader.read`."""
        # Not `pixels[...]`, which on a CPU copies byte by byte: a seventh of the speed.
        return self.pixels.index_select(0, self.order[start:stop])


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """A copy for the device, for which the host does not wait: what is not pinned it would wait for."""
    if device.type != "cuda" or values.device.type == "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def resident(split: Split, indices: NDArray[np.int64] | slice, device: torch.device) -> Resident:
    """Copy the chosen images of a split to the device.

    Args:
        split: may be memory-mapped; only what is chosen is read.
        indices: of the images, (N,), or a slice of them.
        device: where to.

    Raises:
        IndexError: there is no such image.
    """
    rows = chosen_rows(split, indices)
    pixels = torch.from_numpy(split.images.take(rows, axis=0))
    return Resident(pixels.to(device), torch.from_numpy(split.targets[rows]).to(device))


def chosen_rows(split: Split, indices: NDArray[np.int64] | slice) -> NDArray[np.int64]:
    """The rows of a split that indices or a slice mean, (N,), all of them there.

    Raises:
        IndexError: there is no such image.
    """
    rows: NDArray[np.int64] = np.arange(len(split.targets), dtype=np.int64)[indices]
    return rows


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
