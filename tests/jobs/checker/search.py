"""Breadth-first search of every state, over tables.

A state is a row of numbers: the folder, then what each worker and operator remembers. What one of them may do depends
on its own memory and on the folder alone, so the real code is asked once for each such pair; the rest is table look-ups
over whole layers of states at a time. States with fewer accidents come first, then shorter ones. Visited states are
kept as hashes of 64 bits: with 10^8 states the chance that any two of them share one is below 0.0003.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tests.jobs.checker.files import Files
from tests.jobs.checker.minds import Renamer
from tests.jobs.checker.moves import After, Change, Moves
from tests.jobs.checker.normal import Normal
from tests.jobs.checker.simpler import Simpler
from tests.jobs.checker.tables import Layer, Numbered, Pairs, Rows, Visited, hashes_of, merged

_CHUNK: Final = 200_000


@dataclass
class Counts:
    """How far a search has come."""

    states: int = 0
    turns: int = 0
    depth: int = 0
    seconds: float = 0.0
    beyond: int = 0
    is_complete: bool = False


@dataclass
class ViolationError(Exception):
    """A promise that was not kept, and how that came about."""

    promise: str
    trace: list[str]
    states: int

    def __str__(self) -> str:
        return "\n".join([f"BROKEN after {len(self.trace)} turns, {self.states} states: {self.promise}", *self.trace])


@dataclass
class Search:
    """See the module's docstring.

    Args:
        files, renamer: of the world.
        moves: for each column but the first, what its memory may do over a folder.
        start: the first state: a folder, and a memory for each column.
        broken: the promise that a folder breaks; empty: none.
        faults: how many accidents a trace may have; None: any number.
    """

    files: Files
    renamer: Renamer
    moves: list[Moves]
    start: tuple[Any, ...]
    simpler: Simpler
    broken: Callable[[bytes], str]
    faults: int | None
    folders: Numbered = field(default_factory=Numbered)
    minds: Numbered = field(default_factory=Numbered)
    pairs: Pairs = field(default_factory=Pairs)
    visited: Visited = field(default_factory=Visited)
    layers: list[Layer] = field(default_factory=list)
    waiting: dict[int, list[Layer]] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    violation: tuple[int, int, After] | None = None

    def __post_init__(self) -> None:
        self.normal = Normal(self.renamer, self.simpler, self.folders, self.minds, 1 + len(self.moves))
        self._checked: dict[int, str] = {}
        row = np.array(
            [[self.folders.number(self.start[0].plain()), *map(self.minds.number, self.start[1:])]], dtype=np.int32
        )
        rows, hashes = self.normal.of(row)
        self.waiting[0] = [Layer(rows, hashes, np.array([-1], dtype=np.int64))]

    # --- the search -------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        seconds: float = float("inf"),
        layers: float = float("inf"),
        tell: Callable[[Counts, int], None] = lambda *_: None,
    ) -> Counts:
        """Search until nothing is new, or for so long, or so many layers.

        Raises:
            ViolationError: a promise was not kept.
        """
        began, before = time.monotonic(), self.counts.seconds
        while self.waiting:
            self.counts.seconds = before + time.monotonic() - began
            if self.counts.seconds - before > seconds or layers <= 0:
                return self.counts
            layers -= 1
            cost = min(self.waiting)
            layer = self._fresh(self.waiting.pop(cost))
            if len(layer.rows):
                tell(self.counts, len(layer.rows))
                self._expand(layer, cost)
                self.counts.depth += 1
        self.counts.seconds = before + time.monotonic() - began
        self.counts.is_complete = True
        return self.counts

    def _fresh(self, parts: list[Layer]) -> Layer:
        """States not seen before, once each."""
        layer = merged(parts)
        is_new = self.visited.lacks(layer.hashes)
        layer = Layer(layer.rows[is_new], layer.hashes[is_new], layer.parents[is_new])
        if len(layer.rows):
            self.visited.add(layer.hashes)
            self.layers.append(layer)
            self.counts.states += len(layer.rows)
        return layer

    def _expand(self, layer: Layer, cost: int) -> None:
        first = self.counts.states - len(layer.rows)
        found: dict[int, list[Layer]] = {}
        for start in range(0, len(layer.rows), _CHUNK):
            rows = layer.rows[start : start + _CHUNK]
            for column, move in enumerate(self.moves, 1):
                self._expand_column(rows, column, move, (first + start, cost), found)
        for total, parts in found.items():
            self.waiting.setdefault(total, []).append(merged(parts))
            if len(self.waiting[total]) > 8:
                self.waiting[total] = [merged(self.waiting[total])]

    def _expand_column(
        self, rows: Rows, column: int, move: Moves, base: tuple[int, int], found: dict[int, list[Layer]]
    ) -> None:
        keys = rows[:, column].astype(np.int64) << 32 | rows[:, 0]
        unique, which = np.unique(keys, return_inverse=True)
        places = np.array([self._pair(int(key), move) for key in unique], dtype=np.int64)
        if self.violation is not None:
            pair, number, found_next = self.violation
            state = base[0] + int(np.flatnonzero(keys == pair)[0])
            raise self._violation(state, column, number, found_next)
        starts, free, minds, folders, costs = self.pairs.arrays()
        places = places[which]
        counts = free[places] if base[1] == self.faults else starts[places + 1] - starts[places]
        parents = np.repeat(np.arange(len(rows)), counts)
        offsets = np.arange(len(parents)) - np.repeat(np.cumsum(counts) - counts, counts)
        successors = starts[places][parents] + offsets
        after = rows[parents].copy()
        after[:, 0], after[:, column] = folders[successors], minds[successors]
        self.counts.turns += len(after)
        after, hashes = self.normal.of(after)
        totals = np.zeros(len(after), dtype=np.int32) if self.faults is None else base[1] + costs[successors]
        for total in np.unique(totals):
            if self.faults is not None and total > self.faults:
                continue
            chosen = np.flatnonzero(totals == total)
            fresh = chosen[self.visited.lacks(hashes[chosen])]
            layer = Layer(after[fresh], hashes[fresh], (parents[fresh] + base[0]).astype(np.int64))
            found.setdefault(int(total), []).append(merged([layer]))

    def _pair(self, key: int, move: Moves) -> int:
        place = self.pairs.place.get(key)
        if place is not None:
            return place
        mind, folder = self.minds.values[key >> 32], self.folders.values[key & 0xFFFFFFFF]
        changes = sorted(move.changes(mind, folder), key=_cost)
        self.pairs.free.append(sum(not change.cost for change in changes))
        for number, change in enumerate(changes):
            after = move.after(change, folder)
            place = self.folders.number(after)
            broken = change.broken or self._check(place)
            if broken and self.violation is None:
                self.violation = (key, number, After(change.mind, after, change.cost, change.text, broken))
            self.pairs.minds.append(self.minds.number(change.mind))
            self.pairs.folders.append(place)
            self.pairs.costs.append(change.cost)
            self.counts.beyond += "BEYOND" in change.text
        self.pairs.starts.append(len(self.pairs.minds))
        self.pairs.place[key] = place = len(self.pairs.starts) - 2
        return place

    def _check(self, number: int) -> str:
        if number not in self._checked:
            self._checked[number] = self.broken(self.folders.values[number])
        return self._checked[number]

    # --- what a person reads ----------------------------------------------------------------------------------------

    def state(self, number: int) -> tuple[Rows, int]:
        for layer in self.layers:
            if number < len(layer.rows):
                return layer.rows[number], int(layer.parents[number])
            number -= len(layer.rows)
        raise IndexError(number)

    def path(self, number: int) -> list[Rows]:
        """The states that led to one, the first first."""
        states = []
        while number >= 0:
            row, number = self.state(number)
            states.append(row)
        return states[::-1]

    def trace(self, number: int) -> tuple[list[str], Rows]:
        """How a state came about, in the names of the first state throughout; and that state in those names."""
        path = self.path(number)
        row, lines = path[0], []
        for target in path[1:]:
            row, line = self._step_to(row, target)
            lines.append(line)
        return lines, row

    def _step_to(self, row: Rows, target: Rows) -> tuple[Rows, str]:
        wanted = hashes_of(target[None])[0]
        for column, move in enumerate(self.moves, 1):
            for after in move.next(self.minds.values[row[column]], self.folders.values[row[0]]):
                other = row.copy()
                other[0], other[column] = self.folders.number(after.folder), self.minds.number(after.mind)
                other = self.normal.simplified(other[None])
                if self.normal.renamed(other)[1][0] == wanted:
                    return other[0], self.line(column, after)
        raise AssertionError("a state that follows from no other")

    def line(self, column: int, after: After) -> str:
        who = self.minds.values[self.minds.number(after.mind)]
        name = f"{type(who).__name__.lower().replace('mind', 'worker')} {getattr(who, 'who', '')}".strip()
        return f"  {name}:{after.text}" + (f"   [{after.cost} accident]" if after.cost else "")

    def _violation(self, state: int, column: int, number: int, after: After) -> ViolationError:
        lines, row = self.trace(state)
        for other, move in enumerate(self.moves, 1):
            for found in move.next(self.minds.values[row[other]], self.folders.values[row[0]]):
                broken = found.broken or self.broken(found.folder)
                if broken:
                    return ViolationError(broken, [*lines, self.line(other, found)], self.counts.states)
        return ViolationError(after.broken, [*lines, self.line(column, after)], self.counts.states)


def _cost(change: Change) -> int:
    return change.cost
