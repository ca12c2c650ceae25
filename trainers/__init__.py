"""What a job does: data, backbones, losses, recipes, metrics, figures. Importing this package imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def build_loss(name: str, **parameters: Any) -> nn.Module:
    """A loss by its catalogue name; see `trainers.losses.build_loss`."""
    from trainers.losses import build_loss as build

    return build(name, **parameters)


def build_backbone(name: str, **parameters: Any) -> nn.Module:
    """A network by its catalogue name; see `trainers.backbones.build_backbone`."""
    from trainers.backbones import build_backbone as build

    return build(name, **parameters)
