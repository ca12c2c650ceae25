"""Three convolutions: a network that trains in seconds."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from trainers.backbones.network import HeadBuilder, Network


class SimpleCNN(Network):
    """Convolutions of 32, 64 and 128 channels with batch norm, pooling between them, 128 features.

    Args:
        build_head: features' width -> head.

    Shape:
        images (N, 3, H, W); logits (N, C).
    Source: the ICTTA code; initialised by torch's defaults.
    """

    def __init__(self, build_head: HeadBuilder) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128)
        self.linear = build_head(128)

    def features(self, images: Tensor) -> Tensor:
        """What is left after the average over all positions, (N, 128)."""
        out = F.max_pool2d(F.relu(self.bn1(self.conv1(images)), inplace=True), 2)
        out = F.max_pool2d(F.relu(self.bn2(self.conv2(out)), inplace=True), 2)
        out = F.relu(self.bn3(self.conv3(out)), inplace=True)
        return out.mean(dim=(2, 3))
