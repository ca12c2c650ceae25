"""What the expansion of a grid asks of a kind of job."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from jobs.grid.node import Node

Leaves = dict[str, Node]  # a cell: its values by dotted key, one level deep


class _Missing:
    """Equal to nothing that a grid can hold."""


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Made:
    """What a kind makes of a cell.

    Attributes:
        content: the identity: canonical and sparse.
        cell: readable scalars by dotted key.
        data_path: where a `folder` data set lies.
    """

    content: dict[str, Any]
    cell: dict[str, Any]
    data_path: str | None = None


class JobKind(Protocol):
    """A kind of job, as far as grids go.

    Attributes:
        merging: keys whose mapping, when assigned, adds to what is there; any other key is replaced whole.
        rivals: leaf -> leaves that cannot stand beside it; assigning it removes them.
    """

    merging: ClassVar[Collection[str]]
    rivals: ClassVar[Mapping[str, tuple[str, ...]]]

    def leaves(self, key: str, node: Node) -> Leaves:
        """The leaves that `key: node` gives. Raises InputError for an unknown key or a value of the wrong shape."""

    def settable(self, key: str, keys: Collection[str]) -> None:
        """Raise InputError unless `--set` may give `key` in a grid that has `keys`."""

    def prepare(self, leaves: Collection[str], axes: Iterable[str]) -> None:
        """Hear of every leaf that a cell may have, and of those that vary, before the first cell."""

    def pattern(self, leaves: Leaves) -> dict[str, Any]:
        """The canonical values by leaf that a rule asks for."""

    def value(self, cell: Leaves, leaf: str) -> Any:
        """The canonical value of a cell's leaf, defaults filled in; MISSING where the cell has none."""

    def make(self, cell: Leaves) -> Made:
        """The job of a cell. Raises InputError where the cell is wrong."""


def same(one: Any, other: Any) -> bool:
    """Whether two canonical values are equal; true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
