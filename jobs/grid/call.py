"""Call jobs: a Python function and its keyword arguments."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Final

from jobs.errors import InputError
from jobs.grid.kind import MISSING, Leaves, Made
from jobs.grid.names import remedy
from jobs.grid.node import Node, plain, shown
from jobs.grid.shape import mapping_leaves

_TARGET: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_PREFIX: Final = "params."


class CallKind:
    """`kind: call`.

    Args:
        target: the grid's `target`, or None.
        where: the grid, for the error when there is no target.
    """

    merging: ClassVar[Collection[str]] = ("params",)
    rivals: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, target: Node | None, where: str) -> None:
        if target is None:
            raise InputError(f"{where}: kind call needs a target", "write target: module:function")
        if not isinstance(target.value, str) or not _TARGET.fullmatch(target.value):
            raise InputError(f"{target.where}: target is {shown(target)}", "write target: module:function")
        self._target = target.value
        self._axes: tuple[str, ...] = ()

    def leaves(self, key: str, node: Node) -> Leaves:
        """The keyword arguments that one key gives."""
        if key.partition(".")[0] != "params":
            raise InputError(
                f"{node.where}: unknown key {key!r}", f"use params.{key}: a call is given its params alone"
            )
        leaves = mapping_leaves(key, node, "params: {i: 0}")
        for leaf, item in leaves.items():
            if not leaf.removeprefix(_PREFIX).isidentifier():
                raise InputError(f"{item.where}: {leaf!r} cannot be a keyword argument", "use letters, digits and _")
        return leaves

    def settable(self, key: str, keys: Collection[str]) -> None:
        """Only what the grid gives: what else the function takes is not known here."""
        if key not in keys and key != "params":
            raise InputError(f"--set {key}: this grid has no {key!r}", remedy(key, keys))

    def prepare(self, leaves: Collection[str], axes: Iterable[str]) -> None:  # noqa: ARG002 - of the protocol
        """See `JobKind`."""
        self._axes = tuple(axes)

    def pattern(self, leaves: Leaves) -> dict[str, Any]:
        """See `JobKind`."""
        return {leaf: plain(node) for leaf, node in leaves.items()}

    def value(self, cell: Leaves, leaf: str) -> Any:
        """See `JobKind`."""
        return plain(cell[leaf]) if leaf in cell else MISSING

    def make(self, cell: Leaves) -> Made:
        """See `JobKind`."""
        content: dict[str, Any] = {"target": self._target}
        params = {leaf[len(_PREFIX) :]: plain(node) for leaf, node in cell.items() if leaf.startswith(_PREFIX)}
        if params:
            content["params"] = params
        return Made(content, {axis: readable(cell[axis]) for axis in self._axes if axis in cell})


def readable(node: Node) -> Any:
    """A value as a table shows it: a mapping gives its name."""
    value = node.value
    if isinstance(value, dict):
        name = value.get("name")
        return name.value if name is not None and name.is_scalar else str(plain(node))
    return ",".join(str(plain(item)) for item in value) if isinstance(value, list) else value
