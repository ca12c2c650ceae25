"""The small residual networks of CIFAR: 6n+2 layers, n blocks in each of three stages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

from torch import Tensor, nn
from torch.nn import functional as F

from trainers.backbones.network import HeadBuilder, Network

_WIDTHS: Final = (16, 32, 64)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (option A).

    Where the width grows, the shortcut takes every second pixel and adds channels of zeros, half on each side.

    Args:
        in_width: channels in.
        width: channels out.
        stride: of the first convolution.

    Shape:
        (N, in_width, H, W) -> (N, width, H / stride, W / stride).
    """

    def __init__(self, in_width: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.padding = stride, (width - in_width) // 2

    def forward(self, x: Tensor) -> Tensor:
        """One residual step."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return F.relu(out + self._shortcut(x), inplace=True)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.stride == 1 and self.padding == 0:
            return x
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))


class CifarResNet(Network):
    """A residual network of 6n+2 layers for small images, widths 16, 32 and 64, 64 features.

    Args:
        build_head: features' width -> head.
        blocks: n, blocks in each stage.

    Shape:
        images (N, 3, H, W); logits (N, C).
    Source: He et al., CVPR 2016, section 4.2; weights of convolutions and of a linear head Kaiming-normal (fan in,
        gain sqrt 2), its bias at torch's default, as in kaidic/LDAM-DRW.
    """

    def __init__(self, build_head: HeadBuilder, *, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        stages = [
            nn.Sequential(Block(before, width, stride), *(Block(width, width, 1) for _ in range(blocks - 1)))
            for (before, width), stride in zip(pairwise((_WIDTHS[0], *_WIDTHS)), (1, 2, 2), strict=True)
        ]
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = build_head(_WIDTHS[-1])
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def features(self, images: Tensor) -> Tensor:
        """What is left after the average over all positions, (N, 64)."""
        out = F.relu(self.bn1(self.conv1(images)), inplace=True)
        maps: Tensor = self.layer3(self.layer2(self.layer1(out)))
        return maps.mean(dim=(2, 3))


def _resnet(layers: int) -> Callable[[HeadBuilder], CifarResNet]:
    return partial(CifarResNet, blocks=(layers - 2) // 6)


resnet20 = _resnet(20)
resnet32 = _resnet(32)
resnet44 = _resnet(44)
resnet56 = _resnet(56)
resnet110 = _resnet(110)
