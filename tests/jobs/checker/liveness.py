"""Whether a live worker, left alone, can bring every job to an end: asked of every memory and folder that was reached.

All others are dead now, so their leases are silent; nothing goes wrong any more; and there is room for attempts and
sessions beyond the explored bounds. If some sequence of its own turns ends all jobs, then no state that holds
this memory and this folder is a dead end. The same is asked for a worker that is started afresh in each folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.jobs.checker.driving import Driver
from tests.jobs.checker.folder import Folder
from tests.jobs.checker.minds import GONE, LEAVES, Mind, fresh_mind
from tests.jobs.checker.moves import After, Moves
from tests.jobs.checker.promises import Promises
from tests.jobs.checker.search import Search, ViolationError
from tests.jobs.checker.shape import SPARE_ATTEMPTS, SPARE_SESSIONS
from tests.jobs.checker.workers import Code, Workers


class Survivor:
    """One worker, all alone.

    Attributes:
        good: (memory, folder) from which all jobs can be ended.
    """

    def __init__(self, search: Search, code: Code | None = None, workers_type: type[Workers] = Workers) -> None:
        files = search.files
        driver = Driver(files, files.shape.attempts + SPARE_ATTEMPTS - 1, has_accidents=False)
        workers = workers_type(driver, files.shape.sessions + SPARE_SESSIONS, code, is_alone=True)
        self.files, self.moves, self.promises = files, Moves(files, workers.parts), Promises(files)
        self.good: set[tuple[Any, bytes]] = set()

    def can_finish(self, mind: Mind, folder: bytes) -> bool:
        """Whether some turns of this worker end all jobs: depth first, what is known to be good is not asked again."""
        folder = folder[:-1] + bytes([SPARE_SESSIONS])
        path: list[tuple[tuple[Any, bytes], Iterator[After]]] = []
        seen: set[tuple[Any, bytes]] = set()
        state = (mind, folder)
        while True:
            if state in self.good or self.promises.is_final(state[1]):
                self.good.update(known for known, _ in path)
                self.good.add(state)
                return True
            if state not in seen:
                seen.add(state)
                path.append((state, iter(self._next(*state))))
            while path and (after := next(path[-1][1], None)) is None:
                path.pop()
            if not path:
                return False
            assert after is not None
            state = (after.mind, after.folder)

    def _next(self, mind: Mind, folder: bytes) -> list[After]:
        """It neither leaves nor is it gone; what makes for the end is tried first."""
        found = [after for after in self.moves.next(mind, folder) if after.mind.state not in {LEAVES, GONE}]
        return sorted(found, key=lambda after: ("RUNS" not in after.text, "done" not in after.text))


def check_survivors(search: Search, code: Code | None = None, workers_type: type[Workers] = Workers) -> int:
    """Ask it of all that a search has reached; how many were asked.

    Raises:
        ViolationError: a job stays open for ever.
    """
    survivor, asked = Survivor(search, code, workers_type), 0
    for key in list(search.pairs.place):
        mind, folder = search.minds.values[key >> 32], search.folders.values[key & 0xFFFFFFFF]
        if isinstance(mind, Mind) and mind.state not in {LEAVES, GONE}:
            asked += 1
            if not survivor.can_finish(mind, folder):
                raise _stuck(search, key, "left alone, this worker can never end all jobs")
    newcomer = fresh_mind(search.files.shape.workers, search.files.shape.jobs)
    for number, folder in enumerate(list(search.folders.values)):
        asked += 1
        if not survivor.can_finish(newcomer, search.files.open_lease(Folder(folder), newcomer.sid).plain()):
            raise _stuck(search, number, "no new worker can ever end all jobs")
    return asked


def _stuck(search: Search, key: int, promise: str) -> ViolationError:
    """The first state with that memory and folder (or, for small keys, that folder)."""
    number = 0
    for layer in search.layers:
        for row in layer.rows:
            if row[0] == key & 0xFFFFFFFF and (key >> 32 == 0 or key >> 32 in row[1:]):
                lines, _ = search.trace(number)
                return ViolationError(promise, lines, search.counts.states)
            number += 1
    return ViolationError(promise, ["  (only under other names of workers and jobs)"], search.counts.states)
