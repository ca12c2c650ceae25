"""The small residual networks of CIFAR: 6n+2 layers, n blocks in each of three stages, and two relatives."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.backbones.network import HeadBuilder, Network

_WIDTHS: Final = (16, 32, 64)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Where the shape changes, shortcut A takes every second pixel and adds channels of zeros, half on each side; it has
    no parameters. Shortcut B is a 1x1 convolution of the same stride with batch norm.

    Args:
        in_width: channels in.
        width: channels out.
        stride: of the first convolution.
        shortcut: A or B.

    Shape:
        (N, in_width, H, W) -> (N, width, H / stride, W / stride).
    """

    def __init__(self, in_width: int, width: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.padding = stride, (width - in_width) // 2
        self.shortcut: nn.Module | None = None
        if shortcut == "B" and (stride, in_width) != (1, width):
            self.shortcut = nn.Sequential(nn.Conv2d(in_width, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """One residual step."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return F.relu(out + self._beside(x), inplace=True)

    def _beside(self, x: Tensor) -> Tensor:
        if self.shortcut is not None:
            projected: Tensor = self.shortcut(x)
            return projected
        if self.stride == 1 and self.padding == 0:
            return x
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))


class CifarResNet(Network):
    """A residual network of 6n+2 layers for small images; as many features as the last stage has channels.

    Args:
        build_head: features' width -> head.
        blocks: n, blocks in each stage.
        widths: channels of the three stages; the stem has as many as the first.
        shortcut: A or B, see `Block`.

    Shape:
        images (N, 3, H, W); logits (N, C).
    Source: He et al., CVPR 2016, section 4.2; weights of convolutions and of a linear head Kaiming-normal (fan in,
        gain sqrt 2), its bias at torch's default, as in kaidic/LDAM-DRW.
    """

    def __init__(
        self,
        build_head: HeadBuilder,
        *,
        blocks: int,
        widths: tuple[int, int, int] = _WIDTHS,
        shortcut: str = "A",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1, self.layer2, self.layer3 = _stages(widths, (blocks, blocks, blocks), shortcut)
        self.linear = build_head(widths[-1])
        _start_kaiming(self)

    def features(self, images: Tensor) -> Tensor:
        """What is left after the average over all positions, (N, 64), or (N, D) of other widths."""
        out = F.relu(self.bn1(self.conv1(images)), inplace=True)
        maps: Tensor = self.layer3(self.layer2(self.layer1(out)))
        return maps.mean(dim=(2, 3))


class BilateralResNet(Network):
    """The 32-layer network with two last blocks side by side, whose outputs are joined: 128 features.

    The two blocks are those of the bilateral-branch network, but both see every image.

    Args:
        build_head: features' width -> head.

    Shape:
        images (N, 3, H, W); logits (N, C).
    Source: Zhou et al., CVPR 2020 (BBN), as hyperconnect/LADE trains it: convolutions Kaiming-normal (fan in, gain
        sqrt 2), the head at torch's default.
    """

    def __init__(self, build_head: HeadBuilder) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.layer1, self.layer2, self.layer3 = _stages(_WIDTHS, (5, 5, 4), "A")
        self.cb_block = Block(_WIDTHS[-1], _WIDTHS[-1], 1, "A")
        self.rb_block = Block(_WIDTHS[-1], _WIDTHS[-1], 1, "A")
        _start_kaiming(self)
        self.linear = build_head(2 * _WIDTHS[-1])

    def features(self, images: Tensor) -> Tensor:
        """What is left of both blocks after the average over all positions, (N, 128)."""
        out = F.relu(self.bn1(self.conv1(images)), inplace=True)
        maps = self.layer3(self.layer2(self.layer1(out)))
        return torch.cat([self.cb_block(maps).mean(dim=(2, 3)), self.rb_block(maps).mean(dim=(2, 3))], dim=1)


def _stages(widths: tuple[int, ...], blocks: tuple[int, ...], shortcut: str) -> list[nn.Sequential]:
    """One stage a width; each but the first halves the image."""
    return [
        nn.Sequential(
            Block(before, width, stride, shortcut), *(Block(width, width, 1, shortcut) for _ in range(count - 1))
        )
        for (before, width), stride, count in zip(pairwise((widths[0], *widths)), (1, 2, 2), blocks, strict=True)
    ]


def _start_kaiming(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)


class _Builder(Protocol):
    def __call__(self, build_head: HeadBuilder, *, shortcut: str = "A") -> CifarResNet: ...


def _resnet(layers: int) -> _Builder:
    def build(build_head: HeadBuilder, *, shortcut: str = "A") -> CifarResNet:
        return CifarResNet(build_head, blocks=(layers - 2) // 6, shortcut=shortcut)

    return build


resnet20 = _resnet(20)
resnet32 = _resnet(32)
resnet44 = _resnet(44)
resnet56 = _resnet(56)
resnet110 = _resnet(110)


def resnet32x4(build_head: HeadBuilder) -> CifarResNet:
    """`resnet32` of four times the width, 256 features: the network of GLMC (Du et al., CVPR 2023)."""
    return CifarResNet(build_head, blocks=5, widths=(64, 128, 256))
