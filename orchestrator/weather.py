"""Whether the shared folder takes what a worker writes: noted when it does not, and tried again with back-off."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from jobs import layout
from jobs.errors import one_line
from jobs.store import Failed, FolderStore, Make, Put, Unlink, Won

_SHORTEST_SECONDS: Final = 0.25
_LONGEST_SECONDS: Final = 30.0
_CALM_SECONDS: Final = 60.0  # after so long without trouble the back-off starts anew
_QUIET_SECONDS: Final = 1.0  # trouble that is over sooner is not worth a line
_PROBE_BYTES: Final = 1 << 16  # a full disk still takes the few bytes of a small file


@dataclass
class Weather:
    """What a worker knows of its folder's state.

    While it is foul nothing is claimed: a claim that can only be given back would use up its job's attempts.

    Attributes:
        problem: what went wrong last; empty: the weather is fair.
        since: monotonic seconds when it turned foul.
        next_try: when to try the folder again.
        unread: how many looks and listings came to nothing so far: what they would have shown is not known.
    """

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    problem: str = ""
    since: float = 0.0
    next_try: float = 0.0
    unread: int = 0
    _pause: float = _SHORTEST_SECONDS
    _cleared: float = -_CALM_SECONDS
    _is_told: bool = False
    _is_probing: bool = field(default=False, repr=False)

    def hear(self, error: OSError, is_write: bool) -> None:
        """What a store says of an error. A file that cannot be read is no reason to stop writing others."""
        if is_write:
            self.note(error)
        else:
            self.unread += 1

    def note(self, error: OSError | str) -> None:
        """The folder has refused something that it should take, or not answered."""
        if self._is_probing:
            return
        now = self.clock()
        if not self.problem:
            is_calm = now - self._cleared >= _CALM_SECONDS
            self._pause = _SHORTEST_SECONDS if is_calm else min(2 * self._pause, _LONGEST_SECONDS)
            self.since, self.next_try = now, now + self._pause
        self.problem = one_line(error) if isinstance(error, OSError) else error

    def is_fair(self, store: FolderStore, sid: str) -> bool:
        """Whether the folder takes writes, as far as is known; in foul weather it is tried when that is due."""
        if self.problem and self.clock() >= self.next_try:
            self._try(store, sid)
        return not self.problem

    def takes_writes(self, store: FolderStore, sid: str) -> bool:
        """Whether the folder takes a write right now; asked where that decides whose fault a failure was."""
        if (problem := self._probe(store, sid)) is None:
            return True
        self.note(problem)
        return False

    def next_due(self) -> float:
        return self.next_try if self.problem else float("inf")

    def _try(self, store: FolderStore, sid: str) -> None:
        problem = self._probe(store, sid)
        now = self.clock()
        if problem is None:
            self.problem, self._cleared = "", now
            if self._is_told:
                self._is_told = False
                self.say(f"the folder is back after {now - self.since:.0f} s")
            return
        self.problem = problem
        self._pause = min(2 * self._pause, _LONGEST_SECONDS)
        self.next_try = now + self._pause
        if now - self.since >= _QUIET_SECONDS:
            self._is_told = True
            self.say(f"waiting for the folder: {problem}; next try in {self._pause:.0f} s")

    def _probe(self, store: FolderStore, sid: str) -> str | None:
        """Write a file, give it a second name, and remove both; what went wrong."""
        path = layout.ticket(sid, f"probe{os.urandom(6).hex()}")
        second = f"{path}.2"
        self._is_probing = True
        try:
            made = store.answer(Make(path, bytes(_PROBE_BYTES)))
            if isinstance(made, Failed):
                return made.error
            if store.answer(Put(path, second)) is not Won.MINE:
                return "it takes no new names"
            return None
        finally:
            store.answer(Unlink(second))
            store.answer(Unlink(path))
            self._is_probing = False
