"""The residual networks of ImageNet: four stages of 64 to 512 channels, with their own stem or that of small images."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from trainers.backbones.network import HeadBuilder, Network

Stem = Literal["cifar", "imagenet"]
_WIDTHS: Final = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution with batch norm where the shape changes.

    Args:
        in_width: channels in.
        width: channels out.
        stride: of the first convolution.

    Shape:
        (N, in_width, H, W) -> (N, width, H / stride, W / stride).
    """

    expansion: Final = 1

    def __init__(self, in_width: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = _shortcut(in_width, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """One residual step."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x), inplace=True)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution, the last of four times the width, and a shortcut as in `BasicBlock`.

    Args:
        in_width: channels in.
        width: channels of the first two convolutions.
        stride: of the 3x3 convolution, as in torchvision.

    Shape:
        (N, in_width, H, W) -> (N, 4 width, H / stride, W / stride).
    """

    expansion: Final = 4

    def __init__(self, in_width: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.shortcut = _shortcut(in_width, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """One residual step."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.shortcut(x), inplace=True)


class ImageNetResNet(Network):
    """A residual network of four stages; 512 features, or 2048 with bottlenecks.

    Args:
        build_head: features' width -> head.
        block: what its stages are made of.
        blocks: how many in each stage.
        stem: imagenet, a 7x7 convolution of stride 2 and a max-pool; cifar, a 3x3 convolution and no pool.

    Shape:
        images (N, 3, H, W); logits (N, C).
    Source: He et al., CVPR 2016, table 1; weights start as in torchvision: convolutions Kaiming-normal (fan out, gain
        sqrt 2), the head at torch's default.
    """

    def __init__(
        self,
        build_head: HeadBuilder,
        block: type[BasicBlock | Bottleneck],
        blocks: tuple[int, int, int, int],
        stem: Stem,
    ) -> None:
        super().__init__()
        is_small = stem == "cifar"
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False) if is_small else nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool = nn.Identity() if is_small else nn.MaxPool2d(3, 2, 1)
        outputs = [64, *(width * block.expansion for width in _WIDTHS)]
        stages = [
            nn.Sequential(block(before, width, stride), *(block(after, width, 1) for _ in range(count - 1)))
            for (before, after), width, stride, count in zip(
                pairwise(outputs), _WIDTHS, (1, 2, 2, 2), blocks, strict=True
            )
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.linear = build_head(outputs[-1])

    def features(self, images: Tensor) -> Tensor:
        """What is left after the average over all positions, (N, 512) or (N, 2048)."""
        out = self.pool(F.relu(self.bn1(self.conv1(images)), inplace=True))
        maps: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        return maps.mean(dim=(2, 3))


def _shortcut(in_width: int, width: int, stride: int) -> nn.Module:
    if (stride, in_width) == (1, width):
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_width, width, 1, stride, bias=False), nn.BatchNorm2d(width))


def resnet10(build_head: HeadBuilder) -> ImageNetResNet:
    """One basic block a stage, for small images."""
    return ImageNetResNet(build_head, BasicBlock, (1, 1, 1, 1), "cifar")


def resnet18(build_head: HeadBuilder) -> ImageNetResNet:
    """Two basic blocks a stage, for small images."""
    return ImageNetResNet(build_head, BasicBlock, (2, 2, 2, 2), "cifar")


def resnet34(build_head: HeadBuilder) -> ImageNetResNet:
    """3, 4, 6 and 3 basic blocks, for small images: what the weight-balancing papers call ResNet-32 or ResNet-34."""
    return ImageNetResNet(build_head, BasicBlock, (3, 4, 6, 3), "cifar")


def resnet50(build_head: HeadBuilder) -> ImageNetResNet:
    """3, 4, 6 and 3 bottlenecks, for small images: the ResNet-50 of calibration studies on CIFAR."""
    return ImageNetResNet(build_head, Bottleneck, (3, 4, 6, 3), "cifar")


def ictta_resnet10(build_head: HeadBuilder) -> ImageNetResNet:
    """ICTTA's ResNet10: one basic block a stage behind the stem of ImageNet, whatever the size of the images."""
    return ImageNetResNet(build_head, BasicBlock, (1, 1, 1, 1), "imagenet")


def ictta_resnet15(build_head: HeadBuilder) -> ImageNetResNet:
    """ICTTA's ResNet15: 1, 1, 2 and 2 basic blocks behind the stem of ImageNet."""
    return ImageNetResNet(build_head, BasicBlock, (1, 1, 2, 2), "imagenet")


def ictta_resnet20(build_head: HeadBuilder) -> ImageNetResNet:
    """ICTTA's ResNet20, which is ResNet-18: two basic blocks a stage behind the stem of ImageNet."""
    return ImageNetResNet(build_head, BasicBlock, (2, 2, 2, 2), "imagenet")
