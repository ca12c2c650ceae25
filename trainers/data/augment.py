"""What happens to training images before they are normalised, all random numbers of an epoch drawn at its start.

Drawn at once, a resumed epoch goes on with the same numbers, and an image's result does not depend on the batch or the
chunk of the epoch in which it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.data.autoaugment import AutoAugment
from trainers.draws import generator
from trainers.names import unknown

PADDING: Final = 4
CUTOUT: Final = 16

# What each name does, in this order. The strong one is that of the long-tail papers that use AutoAugment and Cutout.
STEPS: Final = {
    "none": (),
    "weak": ("crop_and_flip",),
    "autoaugment": ("crop_and_flip", "autoaugment"),
    "cutout": ("crop_and_flip", "cutout"),
    "strong": ("crop_and_flip", "autoaugment", "cutout"),
}


@dataclass(frozen=True)
class Augmentation:
    """An epoch's augmentation.

    Attributes:
        steps: each makes new pixels of the pixels seen at a slice of the epoch's order.
    """

    steps: tuple[Callable[[Tensor, slice], Tensor], ...]

    @classmethod
    def of(  # noqa: PLR0913
        cls, name: str, *, count: int, size: int, has_flips: bool, seed: int, epoch: int, device: torch.device
    ) -> Augmentation:
        """Draw an epoch's augmentation; the same on every device and for any number of ranks.

        Args:
            name: none, weak (random crop and flip), autoaugment or cutout (each after weak), or strong (both).
            count: images of the epoch.
            size: their side, in pixels.
            has_flips: whether images may be mirrored.
            seed: of the run.
            epoch: from 0.
            device: where the pixels will be.

        Raises:
            SpecError: no augmentation has this name.
        """
        if name not in STEPS:
            raise unknown("augmentation", name, STEPS)
        draw: dict[str, Callable[[], Callable[[Tensor, slice], Tensor]]] = {
            "crop_and_flip": lambda: CropAndFlip.of(count, has_flips, seed, epoch, device),
            "autoaugment": lambda: AutoAugment.of(count, size, seed, epoch, device),
            "cutout": lambda: Cutout.of(count, size, seed, epoch, device),
        }
        return cls(tuple(draw[step]() for step in STEPS[name]))

    def __call__(self, pixels: Tensor, chosen: slice) -> Tensor:
        """Augment some images of the epoch; what is given stays as it is.

        Args:
            pixels: (n, H, W, 3) uint8, of the images seen at the positions `chosen` of the epoch's order.
            chosen: n positions of the epoch, with a step of 1.

        Returns:
            (n, H, W, 3) uint8; the given tensor where there is nothing to do.
        """
        for step in self.steps:
            pixels = step(pixels, chosen)
        return pixels


@dataclass(frozen=True)
class CropAndFlip:
    """An epoch's crops and flips.

    Attributes:
        offsets: of the crop of the i-th image seen: rows and columns, (N, 2) int64 in 0..2 * PADDING.
        flips: whether the i-th image seen is mirrored, (N,) bool; None: none is.
    """

    offsets: Tensor
    flips: Tensor | None

    @classmethod
    def of(cls, count: int, has_flips: bool, seed: int, epoch: int, device: torch.device) -> CropAndFlip:
        """Draw for `count` images."""
        offsets = torch.randint(2 * PADDING + 1, (count, 2), generator=generator(seed, "crop", epoch))
        flips = torch.rand(count, generator=generator(seed, "flip", epoch)) < 0.5
        return cls(offsets.to(device), flips.to(device) if has_flips else None)

    def __call__(self, pixels: Tensor, chosen: slice) -> Tensor:
        """Crop and mirror what is seen at `chosen`."""
        return crop_and_flip(pixels, self.offsets[chosen], None if self.flips is None else self.flips[chosen])


@dataclass(frozen=True)
class Cutout:
    """An epoch's holes: a black square of 16 x 16 pixels in each image, cut off at the borders.

    Images smaller than 32 pixels get holes of half their side, so that they keep as much as the large ones do.

    Attributes:
        centres: of the hole of the i-th image seen: row and column, (N, 2) int64, uniform over the image.
        half: half the side of a hole, in pixels.

    Source: DeVries & Taylor, arXiv 1708.04552; one hole of the length 16, made before normalisation as in PaCo's and
    Balanced Softmax's code.
    """

    centres: Tensor
    half: int

    @classmethod
    def of(cls, count: int, size: int, seed: int, epoch: int, device: torch.device) -> Cutout:
        """Draw for `count` images of `size` x `size` pixels."""
        centres = torch.randint(size, (count, 2), generator=generator(seed, "cutout", epoch))
        return cls(centres.to(device), min(CUTOUT, size // 2) // 2)

    def __call__(self, pixels: Tensor, chosen: slice) -> Tensor:
        """Cut a hole into each image seen at `chosen`."""
        return cut_out(pixels, self.centres[chosen], self.half)


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
    _, padded_height, padded_width, _ = padded.shape
    across = torch.arange(width, device=pixels.device).expand(count, -1)
    if flips is not None:
        across = torch.where(flips[:, None], width - 1 - across, across)
    columns = offsets[:, 1:] + across
    tops = offsets[:, 0] + torch.arange(0, count * padded_height, padded_height, device=pixels.device)
    rows = (tops[:, None] + torch.arange(height, device=pixels.device)) * padded_width
    # One number for each pixel of the batch, since whole pixels are copied much faster than three bytes by themselves.
    numbers = rows[:, :, None] + columns[:, None, :]
    return padded.view(-1, 3).index_select(0, numbers.view(-1)).view(pixels.shape)


def cut_out(pixels: Tensor, centres: Tensor, half: int) -> Tensor:
    """A black square in each image: rows and columns from centre - half to centre + half - 1, as far as there are any.

    Args:
        pixels: (N, H, W, 3) uint8.
        centres: (N, 2) int64.
        half: half the side of a square.

    Returns:
        (N, H, W, 3) uint8.
    """
    _, height, width, _ = pixels.shape
    down = torch.arange(height, device=pixels.device) - centres[:, :1]
    across = torch.arange(width, device=pixels.device) - centres[:, 1:]
    is_row, is_column = ((distance >= -half) & (distance < half) for distance in (down, across))
    is_kept = ~(is_row[:, :, None] & is_column[:, None, :])
    return pixels * is_kept[..., None]  # on a CPU twice as fast as to fill
