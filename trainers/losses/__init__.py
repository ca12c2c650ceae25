"""Losses by their catalogue names. A new one is a file here, an entry in the catalogue and a test."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from trainers import names
from trainers.catalogue import LOSSES, Entry
from trainers.errors import SpecError
from trainers.losses.base import Loss

_BOUNDS: Final[Mapping[str, tuple[Callable[[Any, Any], bool], str]]] = {
    "ge": (operator.ge, "at least"),
    "gt": (operator.gt, "more than"),
    "le": (operator.le, "at most"),
    "lt": (operator.lt, "less than"),
}


def build_loss(
    name: str,
    *,
    num_classes: int,
    class_counts: Sequence[int] | None = None,
    epochs: int | None = None,
    **parameters: Any,
) -> Loss:
    """A loss by its catalogue name.

    A loss class takes what it needs of `num_classes`, `class_counts` and `epochs` as positional parameters of these
    names, and its own parameters, as the catalogue has them, as keyword-only ones.

    Args:
        name: of the catalogue, or an alias.
        num_classes: C.
        class_counts: training images per class, (C,); some losses need them.
        epochs: of the whole run; some losses need them.
        parameters: of the loss; what is not given is at its default, or the preset's if `preset` names one.

    Returns:
        a module: (logits (N, C), targets (N,), features=None, epoch=None) -> scalar.

    Raises:
        SpecError: unknown name or parameter, a value out of range, fewer than two classes, or no class_counts or
            epochs for a loss that needs them; a ValueError.
    """
    if num_classes < 2:
        raise SpecError(f"a loss needs at least two classes; num_classes is {num_classes}")
    name, found = names.entry(LOSSES, "loss", name)
    values = names.parameters(found, f"loss {name}", _preset_expanded(name, found, parameters))
    _check_values(name, found, values)
    target = names.code(found)
    offered = {"num_classes": num_classes, "class_counts": class_counts, "epochs": epochs}
    wanted = [key for key in offered if key in inspect.signature(target).parameters]
    if "class_counts" in wanted:
        _check_counts(name, num_classes, class_counts)
    if "epochs" in wanted and epochs is None:
        raise SpecError(f"loss {name} follows the epochs of the whole run; give epochs=")
    loss: Loss = target(*(offered[key] for key in wanted), **values)
    return loss


def _preset_expanded(name: str, found: Entry, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters with those of the preset under them."""
    if "preset" not in given or not found.presets:
        return given
    own = {found.param_aliases.get(key, key): value for key, value in given.items() if key != "preset"}
    if given["preset"] not in found.presets:
        raise names.unknown(f"preset of loss {name}", str(given["preset"]), found.presets)
    return {**found.presets[given["preset"]], **own}


def _check_values(name: str, found: Entry, values: Mapping[str, Any]) -> None:
    """Refuse what the catalogue does not allow; a grid's values have been held against it before."""
    for key, words in found.choices.items():
        if values[key] not in words:
            raise names.unknown(f"loss {name}'s {key}", str(values[key]), words)
    for key, limits in found.limits.items():
        each = values[key] if isinstance(values[key], Sequence) else [values[key]]
        for bound, limit in limits.items():
            holds, says = _BOUNDS[bound]
            if not all(holds(value, limit) for value in each):
                raise SpecError(f"loss {name}'s {key} is {values[key]}; it must be {says} {limit:g}")


def _check_counts(name: str, num_classes: int, class_counts: Sequence[int] | None) -> None:
    if class_counts is None:
        raise SpecError(f"loss {name} needs class_counts, the training images of each class; give them")
    if len(class_counts) != num_classes:
        raise SpecError(f"loss {name} got {len(class_counts)} class_counts for {num_classes} classes; give one a class")
    if min(class_counts) < 1:
        raise SpecError(f"loss {name} needs at least one image of each class; class_counts has {min(class_counts)}")
