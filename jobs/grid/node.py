"""A value of a grid file that remembers where it stands."""

from __future__ import annotations

from typing import Any, Final

from jobs.grid.scalars import Scalar

_SHOWN_CHARACTERS: Final = 40


class Node:
    """A value of a grid and its place; two nodes are the same only if they are one object.

    Attributes:
        value: a scalar, a list of nodes, or nodes by key.
        where: `file:line` (of the key, for a value of a mapping), or the `--set` that gave it.
    """

    __slots__ = ("value", "where")

    def __init__(self, value: Scalar | list[Node] | dict[str, Node], where: str) -> None:
        self.value = value
        self.where = where

    @property
    def is_scalar(self) -> bool:
        return not isinstance(self.value, list | dict)


def plain(node: Node) -> Any:
    """The value without its places, as `json.loads` would return it."""
    value = node.value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def values_of(node: Node) -> list[Node]:
    """The items of a list node."""
    if not isinstance(node.value, list):
        raise TypeError(f"{node.where}: not a list")
    return node.value


def shown(node: Node) -> str:
    """The value as an error line shows it."""
    value = node.value
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "...")
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
