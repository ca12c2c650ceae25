"""torchvision's classification networks by name, with a stem for small images and one of our heads."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from trainers.backbones.network import HeadBuilder, Network
from trainers.errors import SpecError

# Family, by how its names begin -> where its first convolution and the max-pool behind it are (None: it has no pool).
_STEMS: Final[dict[str, tuple[str, str | None]]] = {
    "resnet": ("conv1", "maxpool"),
    "resnext": ("conv1", "maxpool"),
    "wide_resnet": ("conv1", "maxpool"),
    "densenet": ("features.conv0", "features.pool0"),
    "shufflenet": ("conv1.0", "maxpool"),
    "vgg": ("features.0", None),
    "mobilenet": ("features.0.0", None),
    "efficientnet": ("features.0.0", None),
    "convnext": ("features.0.0", None),
    "mnasnet": ("layers.0", None),
    "regnet": ("stem.0", None),
}


class TorchvisionNetwork(Network):
    """A network of torchvision, freshly initialised as torchvision does it, under one of our heads.

    Its last linear layer gives way to the head; what stands before that layer, dropout included, stays. The stem for
    small images has a 3x3 convolution of stride 1 as its first (torch's default start where that makes a new one) and
    no max-pool behind it; what comes after stays. A vgg has such a convolution and keeps its pools.

    Args:
        build_head: features' width -> head.
        network: torchvision's name for it.
        stem: cifar, for small images, or imagenet, as it is.

    Raises:
        SpecError: there is no small stem for this family.

    Shape:
        images (N, 3, H, W); logits (N, C).
    Source: torchvision.models; no published weights are loaded.
    """

    def __init__(self, build_head: HeadBuilder, *, network: str, stem: str = "cifar") -> None:
        super().__init__()
        from torchvision.models import get_model  # importing it takes seconds
        from torchvision.ops import StochasticDepth

        body = get_model(network, weights=None)
        if stem == "cifar":
            _make_stem_small(body, network)
        name, last = [(name, module) for name, module in body.named_modules() if isinstance(module, nn.Linear)][-1]
        body.set_submodule(name, nn.Identity())
        _make_pools_deterministic(body)
        self.body = body
        self.linear = build_head(last.in_features)
        self.published_head = name
        self.draws = any(isinstance(module, nn.Dropout | StochasticDepth) and module.p > 0 for module in body.modules())

    def features(self, images: Tensor) -> Tensor:
        """What the last linear layer saw, (N, D)."""
        features: Tensor = self.body(images)
        return features


class AverageTo(nn.Module):
    """Averages over windows that share an image out: `nn.AdaptiveAvgPool2d`, and the same bits each time.

    On CUDA torch's has no gradient under `torch.use_deterministic_algorithms`.

    Args:
        size: rows and columns out.

    Shape:
        (N, C, H, W) -> (N, C, *size).
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """The averages, by two matrix products."""
        rows, columns = self.size
        return _windows(rows, x.shape[2], x) @ x @ _windows(columns, x.shape[3], x).T


def _windows(out: int, size: int, like: Tensor) -> Tensor:
    """The matrix (out, size) that averages over window i, from floor(i size / out) to ceil((i + 1) size / out)."""
    at = torch.arange(size, device=like.device)
    window = torch.arange(out, device=like.device)[:, None]
    is_inside = (at >= window * size // out) & (at < -(-(window + 1) * size // out))
    inside = is_inside.to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


def _make_pools_deterministic(body: nn.Module) -> None:
    """Replace the average pools to a grid; those to a single pixel are plain means."""
    for name, module in list(body.named_modules()):
        if isinstance(module, nn.AdaptiveAvgPool2d):
            size: Any = module.output_size
            if size not in (1, (1, 1)):
                body.set_submodule(name, AverageTo(size))


def _make_stem_small(body: nn.Module, network: str) -> None:
    found = [places for family, places in _STEMS.items() if network.startswith(family)]
    if not found:
        raise SpecError(
            f"torchvision's {network} has no stem for small images; say stem: imagenet, or take a network of one of "
            f"{', '.join(_STEMS)}"
        )
    first, pool = found[0]
    old = body.get_submodule(first)
    if not isinstance(old, nn.Conv2d):
        raise SpecError(f"this torchvision's {network} has no convolution at {first}; say stem: imagenet")
    if old.kernel_size == (3, 3):
        old.stride = (1, 1)
    else:
        new = nn.Conv2d(old.in_channels, old.out_channels, 3, 1, 1, bias=old.bias is not None)
        body.set_submodule(first, new)
    if pool is not None:
        body.set_submodule(pool, nn.Identity())
