"""Classifiers on top of the features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LinearHead(nn.Linear):
    """An affine classifier.

    Args:
        in_features: D.
        num_classes: C.
        init: `network`: as the network starts its other layers; `torch`: as torch starts a linear layer.

    Shape:
        features (N, D); logits (N, C).
    """

    def __init__(self, in_features: int, num_classes: int, *, init: str = "network") -> None:
        super().__init__(in_features, num_classes)
        self.init = init


class CosineHead(nn.Module):
    """Scaled cosines between the features and one unit vector a class; no bias.

    logits[i, c] = scale * cos(f_i, w_c)

    Args:
        in_features: D.
        num_classes: C.
        scale: what the cosines are multiplied by.

    Shape:
        features (N, D); logits (N, C), in [-scale, scale].
    Source: `NormedLinear` of kaidic/LDAM-DRW (Cao et al., NeurIPS 2019), which leaves the scale to the loss.
    """

    def __init__(self, in_features: int, num_classes: int, *, scale: float = 30.0) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(F.normalize(torch.empty(in_features, num_classes).uniform_(-1, 1), dim=0))

    def forward(self, features: Tensor) -> Tensor:
        """Scaled cosines of features (N, D), (N, C)."""
        return self.scale * F.normalize(features, dim=1) @ F.normalize(self.weight, dim=0)
