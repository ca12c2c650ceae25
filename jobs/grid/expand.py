"""From a document to cells, one at a time: zip, when.grid, exclude, include, when.set, in this order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Final

from jobs.errors import InputError
from jobs.grid.kind import Leaves
from jobs.grid.node import Node, values_of
from jobs.grid.policy import POLICY_LEAVES
from jobs.grid.rules import Rules, leaves_of, read_rules, read_zips
from jobs.grid.tables import Document

MOST_CELLS: Final = 1_000_000


class Expansion:
    """The cells of a document.

    Attributes:
        size: at most so many cells, counted on the axes before any is made.
    """

    def __init__(self, document: Document) -> None:
        """Check the rules and the axes.

        Raises:
            InputError: a key given twice, a wrong rule, or more than a million cells.
        """
        self._document = document
        self._kind = document.kind
        zips = read_zips(document)
        self._rules: Rules = read_rules(document)
        self.size = self._count(zips)
        _check_once(document)
        self._base: Leaves = {}
        for key, node in document.settings.items():
            self._base |= leaves_of(self._kind, key, node)
        self._dimensions = _dimensions(document, zips)
        self._prepare()

    def cells(self) -> Iterator[Leaves]:
        """Each cell in turn; the first axis of the file changes slowest.

        Raises:
            InputError: a rule that matched nothing (after the last cell), or more than a million cells.
        """
        idle = {id(rule): rule.where for rule in self._rules.exclude}
        idle |= {id(rule.match): rule.match.where for rule in self._rules.when}
        for number, cell in enumerate(self._chosen(idle), 1):
            if number > MOST_CELLS:
                raise InputError(f"{self._document.source}: more than {MOST_CELLS:,} cells", "split the grid")
            for rule in self._rules.when:
                if rule.match.fits(self._kind, cell):
                    idle.pop(id(rule.match), None)
                    for assignment in rule.sets:
                        assignment.apply(cell)
            yield cell
        if idle and not self._document.is_set:
            raise InputError(f"{next(iter(idle.values()))}: this rule matches nothing", "correct it or remove it")

    def _chosen(self, idle: dict[int, str]) -> Iterator[Leaves]:
        for choices in product(*self._dimensions):
            cell = dict(self._base)
            for choice in choices:
                cell.update(choice)
            for whole in self._with_conditional_axes(cell, idle):
                hits = [rule for rule in self._rules.exclude if rule.fits(self._kind, whole)]
                for rule in hits:
                    idle.pop(id(rule), None)
                if not hits:
                    yield whole
        for assignments in self._rules.include:
            cell = dict(self._base)
            for assignment in assignments:
                assignment.apply(cell)
            yield cell

    def _with_conditional_axes(self, cell: Leaves, idle: dict[int, str]) -> list[Leaves]:
        cells = [cell]
        for rule in self._rules.when:
            if rule.grid:
                grown: list[Leaves] = []
                for one in cells:
                    if not rule.match.fits(self._kind, one):
                        grown.append(one)
                        continue
                    idle.pop(id(rule.match), None)
                    for assignments in product(*rule.grid):
                        grown.append(copy := dict(one))
                        for assignment in assignments:
                            assignment.apply(copy)
                cells = grown
        return cells

    def _count(self, zips: list[tuple[str, ...]]) -> int:
        followers = {name for group in zips for name in group[1:]}
        lengths = [len(values_of(axis)) for name, axis in self._document.axes.items() if name not in followers]
        conditional = [len(axis) for rule in self._rules.when for axis in rule.grid]
        cells = math.prod(lengths)
        if cells > MOST_CELLS or math.prod(conditional) > MOST_CELLS:
            raise InputError(
                f"{self._document.source}: {max(cells, math.prod(conditional)):,} cells",
                f"at most {MOST_CELLS:,}: shorten an axis, zip axes or split the grid",
            )
        return cells * math.prod(conditional) + len(self._rules.include)

    def _prepare(self) -> None:
        axes = dict.fromkeys(leaf for dimension in self._dimensions for choice in dimension for leaf in choice)
        assignments = [one for rule in self._rules.when for axis in rule.grid for one in axis]
        assignments += [one for rule in self._rules.when for one in rule.sets]
        assignments += [one for included in self._rules.include for one in included]
        axes |= dict.fromkeys(leaf for one in assignments for leaf in one.leaves)
        varying = [leaf for leaf in axes if leaf not in POLICY_LEAVES]
        self._kind.prepare({*self._base, *axes}, varying)


def _check_once(document: Document) -> None:
    owners: dict[str, str] = {}
    places = {key: node.where for key, node in (document.settings | document.axes).items()}
    for key, nodes in _given(document):
        leaves = {leaf for node in nodes for leaf in leaves_of(document.kind, key, node)}
        rivals = {rival for leaf in leaves for rival in document.kind.rivals.get(leaf, ())}
        for leaf in sorted(leaves | rivals):
            if owners.setdefault(leaf, key) != key:
                raise InputError(
                    f"{places[key]}: {key!r} says again what {owners[leaf]!r} says at {places[owners[leaf]]}",
                    "keep one of them, or restrict one by `when`",
                )


def _given(document: Document) -> Iterator[tuple[str, list[Node]]]:
    for key, node in document.settings.items():
        yield key, [node]
    for key, axis in document.axes.items():
        yield key, values_of(axis)


def _dimensions(document: Document, zips: list[tuple[str, ...]]) -> list[list[Leaves]]:
    group_of = {name: group for group in zips for name in group}
    dimensions: list[list[Leaves]] = []
    for name in document.axes:
        group = group_of.get(name, (name,))
        if name != group[0]:
            continue
        columns = [
            [leaves_of(document.kind, member, node) for node in values_of(document.axes[member])] for member in group
        ]
        dimensions.append(
            [{leaf: node for leaves in row for leaf, node in leaves.items()} for row in zip(*columns, strict=True)]
        )
    return dimensions
