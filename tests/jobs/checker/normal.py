"""One row for all states that differ only in what no promise and no later turn can depend on."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.jobs.checker.minds import Renamer
from tests.jobs.checker.naming import namings
from tests.jobs.checker.simpler import Simpler
from tests.jobs.checker.tables import Hashes, Images, Numbered, Rows, hashes_of


class Normal:
    """Simpler memories, and the names of workers and jobs that give the smallest hash.

    Args:
        renamer, simpler: of the world.
        folders, minds: what the numbers in rows stand for.
        columns: how many columns a row has.
    """

    def __init__(self, renamer: Renamer, simpler: Simpler, folders: Numbered, minds: Numbered, columns: int) -> None:
        self.simpler, self.folders, self.minds = simpler, folders, minds
        self.renamings = [
            (
                Images(folders, lambda value, n=naming: renamer.files.renamed(value, n)),  # type: ignore[misc]
                Images(minds, lambda value, n=naming: renamer.renamed(value, n)),  # type: ignore[misc]
                _columns(naming.workers, columns),
            )
            for naming in namings(renamer.files.shape)
        ]
        self._settled: dict[int, tuple[int, int]] = {}

    def of(self, rows: Rows) -> tuple[Rows, Hashes]:
        """The rows in their normal forms."""
        return self.renamed(self.simplified(rows))

    def simplified(self, rows: Rows) -> Rows:
        """With the simplest memories that can do as much: again, where a folder has become simpler with one."""
        rows = rows.copy()
        changed = np.arange(len(rows))
        while len(changed):
            before = rows[changed]
            for column in range(1, rows.shape[1] - 1):
                self._simplify(rows, column, changed)
            changed = changed[(rows[changed] != before).any(axis=1)]
        return rows

    def _simplify(self, rows: Rows, column: int, which: Any) -> None:
        keys = rows[which, column].astype(np.int64) << 32 | rows[which, 0]
        unique, places = np.unique(keys, return_inverse=True)
        simpler = np.array([self._simpler(key) for key in unique.tolist()], dtype=np.int32).reshape(-1, 2)
        rows[which, column], rows[which, 0] = simpler[places].T

    def _simpler(self, key: int) -> tuple[int, int]:
        found = self._settled.get(key)
        if found is None:
            mind, folder = self.simpler.settled(self.minds.values[key >> 32], self.folders.values[key & 0xFFFFFFFF])
            found = self._settled[key] = (self.minds.number(mind), self.folders.number(folder))
        return found

    def renamed(self, rows: Rows) -> tuple[Rows, Hashes]:
        """Of all the names that workers and jobs could have, those that give the smallest hash."""
        while sum(image.fill() for folders, minds, _ in self.renamings for image in (folders, minds)):
            pass
        best, lowest = rows, hashes_of(rows)
        for folders, minds, columns in self.renamings:
            other = np.empty_like(rows)
            other[:, 1:] = minds.table[rows[:, columns[1:]]]
            other[:, 0] = folders.table[rows[:, 0]]
            hashes = hashes_of(other)
            is_less = hashes < lowest
            lowest = np.where(is_less, hashes, lowest)
            best = np.where(is_less[:, None], other, best)
        return best, lowest


def _columns(workers: tuple[int, ...], count: int) -> list[int]:
    """Where each column comes from under a naming."""
    columns = list(range(count))
    for one, other in enumerate(workers):
        columns[1 + other] = 1 + one
    return columns
