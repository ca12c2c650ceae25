"""Command jobs: any program; its words carry the cell's values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Final

from jobs.errors import InputError
from jobs.grid.argv import fields, read_argv, substituted
from jobs.grid.call import readable
from jobs.grid.kind import MISSING, Leaves, Made
from jobs.grid.names import remedy
from jobs.grid.node import Node, plain
from jobs.grid.shape import mapping_leaves, named_leaves, scalar

_KEY: Final = re.compile(r"[^\W\d][\w-]*(?:\.[\w-]+)*")


class CommandKind:
    """`kind: command`.

    Args:
        argv: the grid's `argv`, or None.
        where: the grid, for the error when there is no argv.
    """

    merging: ClassVar[Collection[str]] = ("params",)
    rivals: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, argv: Node | None, where: str) -> None:
        self._words = read_argv(argv, where)
        self._fields = fields(self._words)
        self._axes: tuple[str, ...] = ()

    def leaves(self, key: str, node: Node) -> Leaves:
        """The values that one key gives; each must be used by argv or stand in the spec file."""
        if not _KEY.fullmatch(key):
            raise InputError(f"{node.where}: {key!r} cannot be a key", "use letters, digits, _ and -")
        if key == "seed":
            return {key: scalar(key, node)}
        if key.partition(".")[0] == "params":
            return mapping_leaves(key, node, "params: {lr: 0.1}")
        leaves = named_leaves(key, node)
        for leaf, item in leaves.items():
            if leaf not in self._fields:
                raise InputError(
                    f"{item.where}: argv does not use {leaf!r}", f"put '{{{leaf}}}' there, or say params.{leaf}"
                )
        return leaves

    def settable(self, key: str, keys: Collection[str]) -> None:
        """Only what the grid has, or what stands in the spec file."""
        if key not in keys and key.partition(".")[0] not in ("seed", "params"):
            raise InputError(f"--set {key}: this grid has no {key!r}", remedy(key, keys))

    def prepare(self, leaves: Collection[str], axes: Iterable[str]) -> None:
        """See `JobKind`; a word of argv that no cell can fill is refused here."""
        for field, word in self._fields.items():
            if field not in leaves:
                raise InputError(
                    f"{word.where}: argv names {field!r} in braces, which is no key here",
                    f"{remedy(field, sorted(leaves))}, or double the braces",
                )
        self._axes = tuple(axes)

    def pattern(self, leaves: Leaves) -> dict[str, Any]:
        """See `JobKind`."""
        return {leaf: plain(node) for leaf, node in leaves.items()}

    def value(self, cell: Leaves, leaf: str) -> Any:
        """See `JobKind`."""
        return plain(cell[leaf]) if leaf in cell else MISSING

    def make(self, cell: Leaves) -> Made:
        """See `JobKind`.

        The identity is what the program is given: its words, `params` and `seed`. So a value that moves from an axis
        into argv itself changes no id.
        """
        content: dict[str, Any] = {"argv": substituted(self._words, cell)}
        params = {leaf[len("params.") :]: plain(node) for leaf, node in cell.items() if leaf.startswith("params.")}
        if params:
            content["params"] = params
        if "seed" in cell:
            content["seed"] = cell["seed"].value
        return Made(content, {leaf: readable(cell[leaf]) for leaf in self._axes if leaf in cell})
