"""The `train` mapping of a train job in canonical form: presets expanded, defaults left out of the identity."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from jobs.errors import InputError
from jobs.grid.heads import Given, Part
from jobs.grid.names import remedy
from jobs.grid.node import Node
from jobs.grid.values import checked, choice
from trainers import catalogue

PRESET: Final = "preset"


def preset_values(node: Node) -> dict[str, Any]:
    """What a preset stands for.

    Raises:
        InputError: no such preset.
    """
    return dict(catalogue.PRESETS[choice("train.preset", node, tuple(catalogue.PRESETS))])


def training_part(given: Given) -> Part:
    """The training parameters: a preset's values, then those given by name over them.

    Raises:
        InputError: an unknown key, a value of the wrong type or out of range, or one that would have no effect.
    """
    values: dict[str, Any] = preset_values(given[PRESET]) if PRESET in given else {}
    for key, node in given.items():
        if key != PRESET:
            values[key] = _value(key, node)
    full = {**catalogue.TRAIN, **values}
    for key, condition in _idle(full):
        if key in given and full[key] != catalogue.TRAIN[key]:
            raise InputError(f"{given[key].where}: train.{key} has no effect {condition}", "leave it out there")
        full[key] = catalogue.TRAIN[key]
    if full["nesterov"] and not full["momentum"]:
        node = given.get("nesterov") or given["momentum"]
        raise InputError(f"{node.where}: train.nesterov needs a momentum", "give train.momentum above 0")
    if full["batch_size"] % full["ranks"]:
        node = given.get("ranks") or given["batch_size"]
        raise InputError(
            f"{node.where}: {full['ranks']} ranks cannot share a train.batch_size of {full['batch_size']}",
            "make it a multiple of the ranks",
        )
    if full["batch_size"] // full["ranks"] % full["accumulate"]:
        node = given.get("accumulate") or given.get("batch_size") or given["ranks"]
        raise InputError(
            f"{node.where}: train.accumulate {full['accumulate']} cannot cut {full['batch_size'] // full['ranks']} "
            "images, a rank's batch, into equal parts",
            "make it a divisor",
        )
    if full["graph"] and (full["ranks"] > 1 or full["compile"]):
        rival = "ranks" if full["ranks"] > 1 else "compile"
        node = given.get("graph") or given[rival]
        raise InputError(
            f"{node.where}: train.graph records the step of one rank, not compiled", f"leave out train.{rival}"
        )
    sparse = {key: value for key, value in full.items() if value != catalogue.TRAIN[key]}
    view = {f"train.{key}": value for key, value in full.items()}
    if PRESET in given:
        view["train.preset"] = given[PRESET].value
    return Part(sparse or None, view)


def _value(key: str, node: Node) -> Any:
    if key not in catalogue.TRAIN:
        raise InputError(f"{node.where}: unknown key 'train.{key}'", remedy(key, [PRESET, *catalogue.TRAIN]))
    name = f"train.{key}"
    if key in catalogue.CHOICES:
        return choice(name, node, catalogue.CHOICES[key])
    value = checked(name, node, catalogue.TRAIN[key], catalogue.TRAIN_LIMITS.get(key))
    if key == "milestones" and any(later <= earlier for earlier, later in pairwise(value)):
        raise InputError(f"{node.where}: train.milestones must rise", "order them")
    return value


def _idle(full: dict[str, Any]) -> list[tuple[str, str]]:
    """Keys that the other keys leave without effect, and why: in the identity they would split one job into two."""
    idle = []
    if full["schedule"] != "multistep":
        idle += [(key, f"with schedule {full['schedule']}") for key in ("milestones", "decay")]
    if full["schedule"] == "one_cycle":
        idle += [(key, "with schedule one_cycle") for key in ("warmup_epochs", "warmup_start", "warmup_over")]
    elif not full["warmup_epochs"]:
        idle += [(key, "without train.warmup_epochs") for key in ("warmup_start", "warmup_over")]
    return idle
