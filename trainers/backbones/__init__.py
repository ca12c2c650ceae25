"""Networks: a body that makes features and a head that makes logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainers import names
from trainers.backbones.heads import LinearHead
from trainers.backbones.network import Network
from trainers.catalogue import BACKBONES, HEADS


def build_backbone(
    name: str, *, num_classes: int, head: str | Mapping[str, Any] = "linear", **parameters: Any
) -> Network:
    """A network by its catalogue name, freshly initialised from torch's global generator.

    Args:
        name: of the catalogue, or an alias.
        num_classes: C.
        head: the name of a head, or a mapping with `name` and its parameters.
        parameters: of the backbone.

    Returns:
        a module: images (N, 3, H, W) float -> logits (N, C).

    Raises:
        SpecError: unknown name or parameter, or a value that it cannot have; a ValueError.
    """
    name, found = names.entry(BACKBONES, "backbone", name)
    head_spec = {"name": head} if isinstance(head, str) else dict(head)
    head_name, head_entry = names.entry(HEADS, "head", head_spec.pop("name"))
    head_values = names.parameters(head_entry, f"head {head_name}", head_spec)

    def build_head(features: int) -> Any:
        return names.code(head_entry)(features, num_classes, **head_values)

    for key, choices in head_entry.choices.items():
        if head_values[key] not in choices:
            raise names.unknown(f"{key} of head {head_name}", str(head_values[key]), choices)
    values = names.parameters(found, f"backbone {name}", parameters)
    for key, choices in found.choices.items():
        if values[key] not in choices:
            raise names.unknown(f"{key} of backbone {name}", str(values[key]), choices)
    network: Network = names.code(found)(build_head, **values)
    if isinstance(network.linear, LinearHead) and network.linear.init == "torch":
        network.linear.reset_parameters()  # after the network, which starts all layers of its own kind
    return network
