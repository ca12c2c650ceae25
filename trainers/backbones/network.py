"""What every backbone is: features, then a head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

HeadBuilder = Callable[[int], nn.Module]  # width of the features -> head


class Network(nn.Module, ABC):
    """Base of the backbones.

    Attributes:
        linear: the head, features (N, D) -> logits (N, C); set by the subclass.
        draws: whether training draws random numbers (dropout); who trains it seeds torch's generators at each step.
        published_head: what published files of this network call the head, beside the usual names.

    Shape:
        images (N, 3, H, W) float; logits (N, C); features (N, D).
    """

    linear: nn.Module
    draws: bool = False
    published_head: str = "fc"

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """What the head sees, (N, D)."""

    def forward(self, images: Tensor, with_features: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Logits, or logits and features."""
        features = self.features(images)
        logits: Tensor = self.linear(features)
        return (logits, features) if with_features else logits
