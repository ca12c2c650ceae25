"""The image operations of AutoAugment on batches of bytes; each image with a magnitude of its own.

Magnitudes are few, so what depends on them alone is made once, on the host: where each pixel comes from (shears,
shifts, rotations), what becomes of each byte (brightness, posterize, solarize, invert), the weights of blends.
Results are those of torchvision's functions for byte tensors, to the bit: the float arithmetic is theirs step by step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

BINS: Final = 10
_WHITE: Final = 255
_HIGHEST: Final = {
    "ShearX": 0.3,
    "ShearY": 0.3,
    "TranslateX": 150 / 331,
    "TranslateY": 150 / 331,
    "Rotate": 30.0,
    "Brightness": 0.9,
    "Color": 0.9,
    "Contrast": 0.9,
    "Sharpness": 0.9,
}
# Operations that run as one, in the order in which the images of a batch are put.
_GROUPS: Final = {
    "nothing": ("Identity",),
    "moved": ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"),
    "looked_up": ("Brightness", "Posterize", "Solarize", "Invert"),
    "color": ("Color",),
    "contrast": ("Contrast",),
    "sharpness": ("Sharpness",),
    "autocontrast": ("AutoContrast",),
    "equalize": ("Equalize",),
}


@dataclass(frozen=True)
class Operation:
    """An operation and how much of it: a slope, pixels, degrees, a factor less one, bits or a threshold."""

    name: str
    magnitude: float = 0.0


IDENTITY: Final = Operation("Identity")
Applied = Callable[[Tensor, Tensor], Tensor]


def operation(name: str, level: int | None, size: int, *, is_negative: bool) -> Operation:
    """The operation of a magnitude bin.

    Args:
        name: of the operation.
        level: the bin, 0..9; None: the operation has no magnitude.
        size: side of the images in pixels; shifts are a share of it.
        is_negative: whether its magnitude is; for operations whose magnitude has a sign.
    """
    if level is None:
        return Operation(name)
    if name == "Posterize":
        return Operation(name, 8 - round(level * 4 / (BINS - 1)))
    if name == "Solarize":
        return Operation(name, float(torch.linspace(_WHITE, 0, BINS)[level]))
    highest = _HIGHEST[name] * (size if name.startswith("Translate") else 1)
    magnitude = float(torch.linspace(0, highest, BINS)[level])
    return Operation(name, -magnitude if is_negative else magnitude)


@dataclass(frozen=True)
class Operations:
    """Operations ready to be applied to images of one size on one device.

    Attributes:
        groups: the group of each operation, (K,) int64 on the host.
        members: its number in the group, (K,) int64 on the host.
        applied: what the groups do to pixels (n, H, W, 3), given members (n,); a group that is not here does nothing.
    """

    groups: Tensor
    members: Tensor
    applied: Mapping[str, Applied]

    @classmethod
    def of(cls, operations: Sequence[Operation], size: int, device: torch.device) -> Operations:
        """Make what the operations need.

        Args:
            operations: which; a number is an index of this sequence.
            size: side of the images in pixels.
            device: where the pixels will be.
        """
        group_of = {name: group for group, names in _GROUPS.items() for name in names}
        gathered: dict[str, list[Operation]] = {group: [] for group in _GROUPS}
        members = []
        for one in operations:
            group = gathered[group_of[one.name]]
            members.append(len(group))
            group.append(one)
        applied = {
            group: _applied(group, of_group, size, device)
            for group, of_group in gathered.items()
            if of_group and group != "nothing" and not (group == "sharpness" and size < 3)  # all border: left alone
        }
        numbers = {group: number for number, group in enumerate(_GROUPS)}
        groups = [numbers[group_of[one.name]] for one in operations]
        return cls(torch.tensor(groups), torch.tensor(members), applied)

    def __call__(self, pixels: Tensor, numbers: Tensor) -> Tensor:
        """Apply an operation to each image.

        Args:
            pixels: (n, H, W, 3) uint8.
            numbers: of the operations, (n,) int64 on the host.

        Returns:
            (n, H, W, 3) uint8; what is given stays as it is.
        """
        groups = self.groups[numbers]
        order = groups.argsort(stable=True)
        counts: list[int] = torch.bincount(groups, minlength=len(_GROUPS)).tolist()
        sent = _send(torch.stack([order, order.argsort(), self.members[numbers[order]]]), pixels.device)
        there, back, members = sent.unbind()
        grouped = pixels.index_select(0, there)
        start = 0
        for name, count in zip(_GROUPS, counts, strict=True):
            if count > 0 and name in self.applied:
                group = slice(start, start + count)
                grouped[group] = self.applied[name](grouped[group], members[group])
            start += count
        return grouped.index_select(0, back)


def _send(tensor: Tensor, device: torch.device) -> Tensor:
    """To the device, while the host goes on."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _sources(one: Operation, size: int) -> Tensor:
    """Where each pixel of a moved image comes from, by the nearest pixel.

    Returns:
        (size * size,) int64: 1 + the number of a pixel, row by row; 0 where it lies outside.
    """
    # From pixels of the result to those of the image, both from the centre; shears keep the upper left corner instead.
    magnitude, corner = one.magnitude, one.magnitude * size / 2
    sine, cosine = math.sin(math.radians(magnitude)), math.cos(math.radians(magnitude))
    matrix = {
        "ShearX": [[1.0, magnitude, corner], [0.0, 1.0, 0.0]],
        "ShearY": [[1.0, 0.0, 0.0], [magnitude, 1.0, corner]],
        "TranslateX": [[1.0, 0.0, -int(magnitude)], [0.0, 1.0, 0.0]],
        "TranslateY": [[1.0, 0.0, 0.0], [0.0, 1.0, -int(magnitude)]],
        "Rotate": [[cosine, -sine, 0.0], [sine, cosine, 0.0]],
    }[one.name]
    along = torch.arange(size) - (size - 1) / 2
    down, across = torch.meshgrid(along, along, indexing="ij")
    places = torch.stack([across, down, torch.ones_like(down)], dim=-1).view(1, -1, 3)
    grid = places.bmm((torch.tensor(matrix).T / (size / 2))[None]).view(1, size, size, 2)
    numbers = torch.arange(1, size * size + 1, dtype=torch.float32).view(1, 1, size, size)
    sources: Tensor = F.grid_sample(numbers, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return sources.long().flatten()


def _table(one: Operation) -> Tensor:
    """What becomes of each byte, (256,) uint8."""
    values = torch.arange(_WHITE + 1)
    if one.name == "Brightness":
        return ((1.0 + one.magnitude) * values).clamp(0, _WHITE).to(torch.uint8)
    if one.name == "Posterize":
        return values.bitwise_and(-(2 ** (8 - int(one.magnitude)))).to(torch.uint8)
    threshold = one.magnitude if one.name == "Solarize" else 0.0
    return torch.where(values >= threshold, _WHITE - values, values).to(torch.uint8)


def _moved(pixels: Tensor, members: Tensor, *, sources: Tensor) -> Tensor:
    count, height, width, _ = pixels.shape
    with_black = F.pad(pixels.reshape(count, -1, 3), (0, 0, 1, 0))
    first = torch.arange(0, count * (height * width + 1), height * width + 1, device=pixels.device)
    numbers = sources.index_select(0, members) + first[:, None]
    return with_black.view(-1, 3).index_select(0, numbers.view(-1)).view(pixels.shape)


def _looked_up(pixels: Tensor, members: Tensor, *, tables: Tensor) -> Tensor:
    of_images = tables.index_select(0, members)
    return of_images.gather(1, pixels.flatten(1).long()).view(pixels.shape)


def _blended(pixels: Tensor, members: Tensor, *, degenerate: Callable[[Tensor], Tensor], weights: Tensor) -> Tensor:
    """A factor of the image and the rest to 1 of another one made of it."""
    values = pixels.float()
    factor, rest = weights.index_select(0, members).view(-1, 2, 1, 1, 1).unbind(dim=1)
    return (factor * values + rest * degenerate(values)).clamp_(0, _WHITE).to(torch.uint8)


def _grey(values: Tensor) -> Tensor:
    """(n, H, W, 3) to (n, H, W, 1), whole numbers as floats."""
    red, green, blue = values.unbind(dim=-1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).floor_()[..., None]


def _mean_grey(values: Tensor) -> Tensor:
    grey = _grey(values)
    return grey.sum(dim=(1, 2, 3), keepdim=True) / grey[0].numel()


def _smoothed(values: Tensor) -> Tensor:
    """Each pixel that is not at the border becomes the mean of nine, itself with a weight of 5; rounded."""
    rows = values[:, :-2] + values[:, 1:-1] + values[:, 2:]
    nine = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = (slice(None), slice(1, -1), slice(1, -1))
    smoothed = values.clone()
    # Whole numbers until here, and thirteenths are never halves: rounding cannot go wrong.
    smoothed[inner] = (nine + 4 * values[inner]).div_(13).round_()
    return smoothed


def _autocontrast(pixels: Tensor, _members: Tensor) -> Tensor:
    """Each channel's darkest value becomes 0 and its brightest 255; a channel of one value stays."""
    values = pixels.float()
    darkest = values.amin(dim=1, keepdim=True).amin(dim=2, keepdim=True)  # at once, a CPU takes ten times as long
    spread = values.amax(dim=1, keepdim=True).amax(dim=2, keepdim=True) - darkest
    is_flat = spread == 0
    scale = spread.reciprocal().mul_(_WHITE).masked_fill_(is_flat, 1.0)
    return (values - darkest.masked_fill_(is_flat, 0.0)).mul_(scale).clamp_(0, _WHITE).to(torch.uint8)


def _equalize(pixels: Tensor, _members: Tensor) -> Tensor:
    """Each channel's values are spread so that about equally many pixels have each."""
    count, height, width, _ = pixels.shape
    planes = pixels.permute(0, 3, 1, 2).contiguous().view(count * 3, height * width)
    # How many pixels are darker than each value: from sorted pixels, since CUDA's histograms add up in any order.
    ordered = planes.sort(dim=1).values
    values = torch.arange(_WHITE + 1, dtype=torch.uint8, device=pixels.device).expand(len(planes), -1).contiguous()
    darker = torch.searchsorted(ordered, values)
    step = darker.gather(1, ordered[:, -1:].long()) // _WHITE
    table = ((darker + step // 2) // step.clamp(min=1)).clamp_(max=_WHITE)
    table = torch.where(step == 0, values, table.to(torch.uint8))
    return table.gather(1, planes.long()).view(count, 3, height, width).permute(0, 2, 3, 1)


_DEGENERATES: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "color": _grey,
    "contrast": _mean_grey,
    "sharpness": _smoothed,
}


def _applied(group: str, operations: Sequence[Operation], size: int, device: torch.device) -> Applied:
    if group == "moved":
        return partial(_moved, sources=torch.stack([_sources(one, size) for one in operations]).to(device))
    if group == "looked_up":
        return partial(_looked_up, tables=torch.stack([_table(one) for one in operations]).to(device))
    if group in _DEGENERATES:
        factors = [1.0 + one.magnitude for one in operations]
        weights = torch.tensor([[factor, 1.0 - factor] for factor in factors])
        return partial(_blended, degenerate=_DEGENERATES[group], weights=weights.to(device))
    return _autocontrast if group == "autocontrast" else _equalize
