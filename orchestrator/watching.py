"""The watch that every worker keeps, busy or not: all sessions that own an open claim, once a poll."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.process import is_gone
from jobs.records import Claimer
from jobs.sessions import Sighting, Watch, Watched, poll_seconds
from jobs.store import FolderStore, carry_out


@dataclass
class Watcher:
    """What a worker has seen of other sessions.

    Attributes:
        me: who watches; a process of the same host, boot and pid namespace is asked of the kernel at once.
    """

    store: FolderStore
    me: Claimer
    clock: Callable[[], float] = time.monotonic
    sightings: dict[str, Sighting] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)

    def look(self, owners: dict[str, Claimer], evicted: str) -> set[str]:
        """Look at every session whose turn it is; those found to be over.

        Args:
            owners: the sessions to watch, by sid.
            evicted: path of the watcher's evicted ticket.
        """
        for sid in self.sightings.keys() - owners.keys():
            del self.sightings[sid], self.due[sid]
        ended = set()
        for sid, owner in owners.items():
            now = self.clock()
            poll = poll_seconds(owner.lease_seconds, len(owners))
            gone = is_gone(owner, self.me)
            # A little early is in time: who comes once a poll would else find every other look not yet due.
            if not gone and now < self.due.get(sid, 0.0) - poll / 4:
                continue
            self.due[sid] = now + poll
            sighting = self.sightings.setdefault(sid, Sighting())
            looked = carry_out(Watch(owner, evicted, sighting, poll, gone), self.store)
            self.sightings[sid] = looked.sighting
            if looked.outcome is Watched.ENDED:
                ended.add(sid)
        return ended

    def next_due(self) -> float:
        """Monotonic seconds of the next look; infinity when nobody is watched."""
        return min(self.due.values(), default=float("inf"))
