"""The other sessions of a root: who is there, and who is over, by one listing now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jobs import layout
from jobs.store import FolderStore, List

_COST_FACTOR: Final = 20.0  # at most a twentieth of a worker's time
_SHORTEST_PAUSE: Final = 0.05


@dataclass
class Peers:
    """What the newest listing of the sessions shows.

    Attributes:
        leases: sessions with a lease; ended: those with an end, which proves that they are over.
    """

    store: FolderStore
    clock: Callable[[], float] = time.monotonic
    leases: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    _next: float = float("-inf")

    @property
    def open(self) -> frozenset[str]:
        """Sessions that are there, as far as the listing tells."""
        return self.leases - self.ended

    def look(self) -> bool:
        """List them again, unless that was done just now; whether it was done."""
        began = self.clock()
        if began < self._next:
            return False
        names = self.store.answer(List(layout.SESSIONS))
        now = self.clock()
        self._next = now + max(_COST_FACTOR * (now - began), _SHORTEST_PAUSE)
        if not isinstance(names, tuple):
            return False
        self.leases = frozenset(name.removesuffix(".lease") for name in names if name.endswith(".lease"))
        self.ended = frozenset(name.removesuffix(".end") for name in names if name.endswith(".end"))
        return True
