"""Wide residual networks: three stages of k times 16, 32 and 64 channels, batch norm before each convolution."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from torch import Tensor, nn
from torch.nn import functional as F

from trainers.backbones.network import HeadBuilder, Network

_STEM: Final = 16


class PreActivationBlock(nn.Module):
    """Batch norm, ReLU and a 3x3 convolution, twice; where the shape changes, a 1x1 convolution beside them.

    Args:
        in_width: channels in.
        width: channels out.
        stride: of the first convolution.
        projects_raw: the 1x1 convolution sees the block's input as it is, not after its batch norm and ReLU.

    Shape:
        (N, in_width, H, W) -> (N, width, H / stride, W / stride).
    """

    def __init__(self, in_width: int, width: int, stride: int, projects_raw: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_width)
        self.conv1 = nn.Conv2d(in_width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.shortcut: nn.Module | None = None
        if (stride, in_width) != (1, width):
            self.shortcut = nn.Conv2d(in_width, width, 1, stride, bias=False)
        self.projects_raw = projects_raw

    def forward(self, x: Tensor) -> Tensor:
        """One residual step."""
        active = F.relu(self.bn1(x), inplace=True)
        out: Tensor = self.conv2(F.relu(self.bn2(self.conv1(active)), inplace=True))
        if self.shortcut is None:
            return out + x
        beside: Tensor = self.shortcut(x if self.projects_raw else active)
        return out + beside


class WideResNet(Network):
    """A wide residual network without dropout; 64 k features.

    Args:
        build_head: features' width -> head.
        blocks: n, blocks in each stage.
        factor: k, how much wider than the narrow network.
        projects_raw: see `PreActivationBlock`.

    Shape:
        images (N, 3, H, W); logits (N, C).
    Source: Zagoruyko and Komodakis, BMVC 2016; convolutions Kaiming-normal (fan out, gain sqrt 2), a linear head's
        bias 0, as in their code.
    """

    def __init__(self, build_head: HeadBuilder, *, blocks: int, factor: int, projects_raw: bool) -> None:
        super().__init__()
        widths = (_STEM, 16 * factor, 32 * factor, 64 * factor)
        self.conv1 = nn.Conv2d(3, _STEM, 3, 1, 1, bias=False)
        stages = [
            nn.Sequential(
                PreActivationBlock(before, width, stride, projects_raw),
                *(PreActivationBlock(width, width, 1, projects_raw) for _ in range(blocks - 1)),
            )
            for (before, width), stride in zip(pairwise(widths), (1, 2, 2), strict=True)
        ]
        self.layer1, self.layer2, self.layer3 = stages
        self.bn1 = nn.BatchNorm2d(widths[-1])
        self.linear = build_head(widths[-1])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def features(self, images: Tensor) -> Tensor:
        """What is left after the average over all positions, (N, 64 k)."""
        maps = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        return F.relu(self.bn1(maps), inplace=True).mean(dim=(2, 3))


def wrn28x10(build_head: HeadBuilder) -> WideResNet:
    """WRN-28-10: n = 4, k = 10, 640 features."""
    return WideResNet(build_head, blocks=4, factor=10, projects_raw=False)


def wrn32x8(build_head: HeadBuilder) -> WideResNet:
    """WRN32x8 of the Fog code: n = 5, k = 8, 512 features; by the usual count, 6n+4, it is WRN-34-8."""
    return WideResNet(build_head, blocks=5, factor=8, projects_raw=True)
