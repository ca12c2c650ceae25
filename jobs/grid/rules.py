"""The rules of a grid - zip, exclude, include, when - read and checked, ready to be applied to cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jobs.errors import InputError
from jobs.grid.kind import JobKind, Leaves, same
from jobs.grid.names import remedy
from jobs.grid.node import Node, shown, values_of
from jobs.grid.policy import is_policy, policy_leaves
from jobs.grid.tables import Document

_WHEN_WORDS: Final = ("if", "set", "grid")


@dataclass(frozen=True, slots=True)
class Assignment:
    """`key: value`, ready to be written into a cell.

    Attributes:
        clears: a key whose leaves all go first, or None: `loss: ce` leaves no `loss.gamma` behind.
        removes: single leaves that go first.
        leaves: what is then written.
    """

    clears: str | None
    removes: tuple[str, ...]
    leaves: Leaves

    def apply(self, cell: Leaves) -> None:
        """Write it into a cell."""
        if self.clears is not None:
            for leaf in [leaf for leaf in cell if leaf.partition(".")[0] == self.clears]:
                del cell[leaf]
        for leaf in self.removes:
            cell.pop(leaf, None)
        cell.update(self.leaves)


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule asks of a cell: canonical values by leaf."""

    where: str
    wanted: Mapping[str, Any]

    def fits(self, kind: JobKind, cell: Leaves) -> bool:
        """Whether a cell has all of the values."""
        return all(same(kind.value(cell, leaf), value) for leaf, value in self.wanted.items())


@dataclass(frozen=True, slots=True)
class When:
    """Axes that only matching cells have, and values that they are given.

    Attributes:
        match: which cells.
        grid: one list of alternatives for each axis.
        sets: written into the cell.
    """

    match: Match
    grid: tuple[tuple[Assignment, ...], ...]
    sets: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a grid."""

    exclude: tuple[Match, ...]
    include: tuple[tuple[Assignment, ...], ...]
    when: tuple[When, ...]


def read_rules(document: Document) -> Rules:
    """The rules of a document.

    Raises:
        InputError: a rule of the wrong shape, with an unknown key or value, or an include that leaves out an axis.
    """
    kind = document.kind
    return Rules(
        exclude=tuple(_match(kind, node) for node in _items(document, "exclude")),
        include=tuple(_include(document, node) for node in _items(document, "include")),
        when=tuple(_when(kind, node) for node in _items(document, "when")),
    )


def read_zips(document: Document) -> list[tuple[str, ...]]:
    """The groups of axes that move together.

    Raises:
        InputError: no list of lists of axes, an axis that is none or is in two groups, or unequal lengths.
    """
    groups: list[tuple[str, ...]] = []
    taken: set[str] = set()
    for item in _items(document, "zip"):
        if not isinstance(item.value, list):
            raise InputError(f"{item.where}: a zip is {shown(item)}", "write zip: [[axis, axis]]")
        names = [_zipped(document, node, taken) for node in item.value]
        group = tuple(name for name in names if name is not None)
        if len(names) < 2:
            raise InputError(f"{item.where}: a zip of fewer than two axes", "name at least two")
        lengths = {name: len(values_of(document.axes[name])) for name in group}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise InputError(f"{item.where}: zipped axes of unequal lengths: {told}", "give them as many values each")
        if group:
            groups.append(group)
    return groups


def leaves_of(kind: JobKind, key: str, node: Node) -> Leaves:
    """The leaves of any key that is not a reserved word.

    Raises:
        InputError: an unknown key or a wrong shape.
    """
    return policy_leaves(key, node) if is_policy(key) else kind.leaves(key, node)


def _zipped(document: Document, node: Node, taken: set[str]) -> str | None:
    name = node.value
    if isinstance(name, str) and name in document.axes:
        if name in taken:
            raise InputError(f"{node.where}: the axis {name!r} is zipped twice", "name it once")
        taken.add(name)
        return name
    if document.is_set and isinstance(name, str) and name in document.settings:
        return None  # --set has given it one value
    raise InputError(
        f"{node.where}: zip names {shown(node)}, which is no axis",
        remedy(name if isinstance(name, str) else "", document.axes),
    )


def _items(document: Document, word: str) -> list[Node]:
    node = document.rules.get(word)
    if node is None:
        return []
    if not isinstance(node.value, list):
        raise InputError(f"{node.where}: {word} is {shown(node)}", "it must be a list of rules, each after a -")
    return node.value


def _mapping(node: Node, what: str) -> dict[str, Node]:
    if not isinstance(node.value, dict) or not node.value:
        found = "empty" if node.value in ({}, None) else shown(node)
        raise InputError(f"{node.where}: {what} is {found}", "write {key: value}")
    return node.value


def _match(kind: JobKind, node: Node, what: str = "an exclude rule") -> Match:
    leaves: Leaves = {}
    for key, item in _mapping(node, what).items():
        if is_policy(key):
            raise InputError(f"{item.where}: {key} is no part of a job", "match a key of the job")
        leaves |= kind.leaves(key, item)
    return Match(node.where, kind.pattern(leaves))


def _include(document: Document, node: Node) -> tuple[Assignment, ...]:
    given = _mapping(node, "an include rule")
    assignments = _assignments(document.kind, given)
    written = {leaf for assignment in assignments for leaf in assignment.leaves}
    for axis in document.axes:
        value = values_of(document.axes[axis])[0]
        leaves = document.kind.leaves(axis, value)
        also = {rival for leaf in leaves for rival in document.kind.rivals.get(leaf, ())}
        if axis not in given and axis.partition(".")[0] not in given and not written & {*leaves, *also}:
            raise InputError(
                f"{node.where}: this include has no {axis!r}", "an included cell says a value for each axis"
            )
    return assignments


def _when(kind: JobKind, node: Node) -> When:
    given = _mapping(node, "a when rule")
    for word in given:
        if word not in _WHEN_WORDS:
            raise InputError(f"{given[word].where}: unknown word {word!r} in when", remedy(word, _WHEN_WORDS))
    if "if" not in given or len(given) == 1:
        raise InputError(
            f"{node.where}: a when rule lacks its {'set or grid' if 'if' in given else 'if'}",
            "write {if: {...}, set: {...}}",
        )
    grid = []
    for key, axis in _mapping(given["grid"], "grid").items() if "grid" in given else ():
        if not isinstance(axis.value, list) or not axis.value or is_policy(key):
            raise InputError(f"{axis.where}: {key} under grid is no axis", "give a list of values, or use set")
        grid.append(tuple(_assignment(kind, key, value) for value in axis.value))
    sets = _assignments(kind, _mapping(given["set"], "set")) if "set" in given else ()
    return When(_match(kind, given["if"], "if"), tuple(grid), sets)


def _assignments(kind: JobKind, given: Mapping[str, Node]) -> tuple[Assignment, ...]:
    """Whole keys first, so that {loss: focal, loss.gamma: 3} means the same in any order."""
    return tuple(_assignment(kind, key, given[key]) for key in sorted(given, key=lambda key: "." in key))


def _assignment(kind: JobKind, key: str, node: Node) -> Assignment:
    leaves = leaves_of(kind, key, node)
    is_whole = "." not in key and key not in kind.merging and not is_policy(key)
    removes = tuple(rival for leaf in leaves for rival in kind.rivals.get(leaf, ()))
    return Assignment(key if is_whole else None, () if is_whole else removes, leaves)
