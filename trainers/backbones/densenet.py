"""Densely connected networks for small images: every layer sees the maps of all layers before it."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.backbones.network import HeadBuilder, Network

_BOTTLENECK: Final = 4  # channels of a layer's 1x1 convolution, in growths


class DenseLayer(nn.Module):
    """Batch norm, ReLU and a 1x1 convolution, then the same with a 3x3 one; its maps are put before those it was given.

    Args:
        in_width: channels in.
        growth: channels that it adds.

    Shape:
        (N, in_width, H, W) -> (N, growth + in_width, H, W).
    """

    def __init__(self, in_width: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_width)
        self.conv1 = nn.Conv2d(in_width, _BOTTLENECK * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(_BOTTLENECK * growth)
        self.conv2 = nn.Conv2d(_BOTTLENECK * growth, growth, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The maps with the new ones in front."""
        out = self.conv1(F.relu(self.bn1(x), inplace=True))
        out = self.conv2(F.relu(self.bn2(out), inplace=True))
        return torch.cat([out, x], dim=1)


class Transition(nn.Module):
    """Batch norm, ReLU, a 1x1 convolution to half the channels, and an average over 2x2 pixels.

    Args:
        in_width: channels in.

    Shape:
        (N, in_width, H, W) -> (N, in_width / 2, H / 2, W / 2).
    """

    def __init__(self, in_width: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(in_width)
        self.conv = nn.Conv2d(in_width, in_width // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Smaller maps, and half as many."""
        return F.avg_pool2d(self.conv(F.relu(self.bn(x), inplace=True)), 2)


class DenseNet(Network):
    """A densely connected network of four blocks with bottlenecks and half the channels passed on between them.

    Args:
        build_head: features' width -> head.
        blocks: layers in each block.
        growth: channels that each layer adds; the stem, a 3x3 convolution without batch norm, has twice as many.

    Shape:
        images (N, 3, H, W), at least 8x8; logits (N, C).
    Source: Huang et al., CVPR 2017 (DenseNet-BC), as in torrvision/focal_calibration, parameter names and the order of
        channels included; everything starts at torch's default.
    """

    def __init__(self, build_head: HeadBuilder, *, blocks: tuple[int, int, int, int], growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 2 * growth, 3, 1, 1, bias=False)
        starts = [2 * growth]
        for layers in blocks:
            starts.append((starts[-1] + layers * growth) // 2)
        self.dense1, self.dense2, self.dense3, self.dense4 = (
            nn.Sequential(*(DenseLayer(start + layer * growth, growth) for layer in range(layers)))
            for start, layers in zip(starts, blocks, strict=False)
        )
        self.trans1, self.trans2, self.trans3 = (Transition(2 * width) for width in starts[1:4])
        self.bn = nn.BatchNorm2d(2 * starts[-1])
        self.linear = build_head(2 * starts[-1])

    def features(self, images: Tensor) -> Tensor:
        """What is left after the average over all positions, (N, 1024) for the 121 layers."""
        out = self.trans1(self.dense1(self.conv1(images)))
        out = self.trans2(self.dense2(out))
        out = self.trans3(self.dense3(out))
        return F.relu(self.bn(self.dense4(out)), inplace=True).mean(dim=(2, 3))


def densenet121(build_head: HeadBuilder) -> DenseNet:
    """DenseNet-121 with growth 32 for small images: the network of calibration studies on CIFAR."""
    return DenseNet(build_head, blocks=(6, 12, 24, 16), growth=32)
