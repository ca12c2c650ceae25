"""What a search keeps: values by number, what follows from pairs of them, and the states that were visited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
_ODD: Final = np.array(
    [
        *(0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD),
        *(0xC4CEB9FE1A85EC53, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3),
    ],
    dtype=np.uint64,
)


class Numbered:
    """Values by number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        found = self.numbers.get(value)
        if found is None:
            found = self.numbers[value] = len(self.values)
            self.values.append(value)
        return found

    def __len__(self) -> int:
        return len(self.values)


class Images:
    """What each number becomes under another naming; filled as far as there are values."""

    def __init__(self, values: Numbered, rename: Callable[[Any], Any]) -> None:
        self.values, self.rename = values, rename
        self.table: npt.NDArray[np.int32] = np.full(1024, -1, dtype=np.int32)
        self.filled = 0

    def fill(self) -> bool:
        """Whether there was anything to fill."""
        if self.filled == len(self.values):
            return False
        while self.filled < len(self.values):
            if self.filled >= len(self.table):
                self.table = np.concatenate([self.table, np.full(len(self.table), -1, dtype=np.int32)])
            self.table[self.filled] = self.values.number(self.rename(self.values.values[self.filled]))
            self.filled += 1
        return True


class Grown:
    """A list as an array, which grows with it."""

    def __init__(self, kind: type[np.integer[Any]]) -> None:
        self.array: npt.NDArray[Any] = np.empty(1024, dtype=kind)
        self.size = 0

    def upto(self, values: list[int]) -> npt.NDArray[Any]:
        if len(values) > len(self.array):
            grown = np.empty(2 * len(values), dtype=self.array.dtype)
            grown[: self.size] = self.array[: self.size]
            self.array = grown
        self.array[self.size : len(values)] = values[self.size :]
        self.size = len(values)
        return self.array[: self.size]


class Visited:
    """A growing set of hashes: sorted runs, each at least twice as long as the next."""

    def __init__(self) -> None:
        self.runs: list[Hashes] = []

    def lacks(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        is_new = np.ones(len(hashes), dtype=np.bool_)
        for run in self.runs:
            places = np.searchsorted(run, hashes)
            places[places == len(run)] = 0
            is_new &= run[places] != hashes
        return is_new

    def add(self, hashes: Hashes) -> None:
        """Add sorted hashes, none of which is here."""
        self.runs.append(hashes)
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            last = self.runs.pop()
            self.runs[-1] = np.sort(np.concatenate([self.runs[-1], last]), kind="stable")


class Pairs:
    """What may follow (memory, folder), by number."""

    def __init__(self) -> None:
        self.place: dict[int, int] = {}
        self.starts: list[int] = [0]
        self.free: list[int] = []
        self.minds: list[int] = []
        self.folders: list[int] = []
        self.costs: list[int] = []
        self._arrays: list[Grown] = [Grown(np.int64), *(Grown(np.int32) for _ in range(4))]

    def arrays(self) -> list[npt.NDArray[Any]]:
        """Starts (one more than there are pairs), how many that cost nothing come first, minds, folders, costs."""
        parts = (self.starts, self.free, self.minds, self.folders, self.costs)
        return [grown.upto(part) for grown, part in zip(self._arrays, parts, strict=True)]


@dataclass
class Layer:
    """States found together.

    Attributes:
        rows: (n, 1 + workers + operators + 1).
        hashes: sorted, of the same states.
        parents: global number of the state that each was found from; -1: none.
    """

    rows: Rows
    hashes: Hashes
    parents: npt.NDArray[np.int64]


def hashes_of(rows: Rows) -> Hashes:
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for column in range(rows.shape[1]):
        mixed ^= (rows[:, column].astype(np.uint64) + np.uint64(1)) * _ODD[column]
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
    return mixed


def merged(parts: list[Layer]) -> Layer:
    """Layers as one, each state once, in order of their hashes."""
    hashes = np.concatenate([part.hashes for part in parts])
    unique, first = np.unique(hashes, return_index=True)
    rows, parents = (np.concatenate([getattr(part, name) for part in parts])[first] for name in ("rows", "parents"))
    return Layer(rows, unique, parents)
