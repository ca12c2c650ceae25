"""The words of a grid that steer a job without being part of it: priority, attempts, time limit, GPUs, notes."""

from __future__ import annotations

import re
from typing import Any, Final

from jobs.errors import InputError
from jobs.grid.kind import Leaves
from jobs.grid.names import remedy
from jobs.grid.node import Node, shown
from jobs.grid.values import checked

POLICY_WORDS: Final = ("resources", "priority", "max_attempts", "timeout", "notes")
_RESOURCES: Final = ("gpus",)
POLICY_LEAVES: Final = ("resources.gpus", "priority", "max_attempts", "timeout", "notes")

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])\s*")


def is_policy(key: str) -> bool:
    """Whether a key steers jobs and is no part of them."""
    return key.partition(".")[0] in POLICY_WORDS


def policy_leaves(key: str, node: Node) -> Leaves:
    """The leaves that a policy word gives.

    Raises:
        InputError: an unknown resource, or a shape that the word does not take.
    """
    head, _, sub = key.partition(".")
    if head != "resources":
        if sub:
            raise InputError(f"{node.where}: unknown key {key!r}", f"use {head}")
        return {key: node}
    if sub:
        given = {sub: node}
    elif isinstance(node.value, dict):
        given = node.value
    else:
        raise InputError(f"{node.where}: resources is {shown(node)}", "write resources: {gpus: 1}")
    for name, item in given.items():
        if name not in _RESOURCES:
            raise InputError(f"{item.where}: unknown resource {name!r}", remedy(name, _RESOURCES))
    return {f"resources.{name}": item for name, item in given.items()}


def policy_fields(cell: Leaves) -> dict[str, Any]:
    """The fields of a JobSpec that a cell's policy leaves give.

    Raises:
        InputError: a value of the wrong type or out of range.
    """
    fields: dict[str, Any] = {}
    if (node := cell.get("resources.gpus")) is not None:
        fields["gpus"] = checked("resources.gpus", node, 0, {"ge": 0})
    if (node := cell.get("priority")) is not None:
        fields["priority"] = checked("priority", node, 0)
    if (node := cell.get("max_attempts")) is not None:
        fields["max_attempts"] = checked("max_attempts", node, 1, {"ge": 1})
    if (node := cell.get("timeout")) is not None:
        fields["timeout_seconds"] = _seconds(node)
    if (node := cell.get("notes")) is not None:
        fields["notes"] = checked("notes", node, "")
    return fields


def _seconds(node: Node) -> float | None:
    value = node.value
    if value is None:
        return None
    if isinstance(value, str):
        parts = _DURATION.findall(value)
        seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
        is_whole = "".join(_DURATION.split(value)[::3]) == "" and bool(parts)
    else:
        is_whole = isinstance(value, int | float) and not isinstance(value, bool)
        seconds = float(value) if isinstance(value, int | float) and is_whole else 0.0
    if not is_whole or seconds <= 0:
        raise InputError(f"{node.where}: timeout is {shown(node)}", "write seconds, or 90m, 12h, 1d")
    return seconds
