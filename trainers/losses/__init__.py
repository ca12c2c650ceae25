"""Losses by their catalogue names. A new one is a file here, an entry in the catalogue and a test."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from trainers import names
from trainers.catalogue import LOSSES
from trainers.errors import SpecError
from trainers.losses.base import Loss


def build_loss(name: str, *, num_classes: int, class_counts: Sequence[int] | None = None, **parameters: Any) -> Loss:
    """A loss by its catalogue name.

    A loss class takes what it needs of `num_classes` and `class_counts` as positional parameters of these names, and
    its own parameters, as the catalogue has them, as keyword-only ones.

    Args:
        name: of the catalogue, or an alias.
        num_classes: C.
        class_counts: training images per class, (C,); some losses need them.
        parameters: of the loss; what is not given is at its default.

    Returns:
        a module: (logits (N, C), targets (N,), features=None, epoch=None) -> scalar.

    Raises:
        SpecError: unknown name or parameter, or no class_counts for a loss that needs them; a ValueError.
    """
    name, found = names.entry(LOSSES, "loss", name)
    values = names.parameters(found, f"loss {name}", parameters)
    target = names.code(found)
    offered = {"num_classes": num_classes, "class_counts": class_counts}
    wanted = [key for key in offered if key in inspect.signature(target).parameters]
    if "class_counts" in wanted:
        _check_counts(name, num_classes, class_counts)
    loss: Loss = target(*(offered[key] for key in wanted), **values)
    return loss


def _check_counts(name: str, num_classes: int, class_counts: Sequence[int] | None) -> None:
    if class_counts is None:
        raise SpecError(f"loss {name} needs class_counts, the training images of each class; give them")
    if len(class_counts) != num_classes:
        raise SpecError(f"loss {name} got {len(class_counts)} class_counts for {num_classes} classes; give one a class")
    if min(class_counts) < 1:
        raise SpecError(f"loss {name} needs at least one image of each class; class_counts has {min(class_counts)}")
