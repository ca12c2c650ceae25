"""A real root, filled through the store as workers and commands fill it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs import layout
from jobs.plan import add_to_plan
from jobs.process import claimer
from jobs.queue import Me
from jobs.records import Claimer, End, EndRecord, encode_void
from jobs.sessions import Tickets, tickets
from jobs.spec import JobSpec
from jobs.store import FolderStore, Make, Put, Won

EXPERIMENT = "exp"
LEASE = 90.0


def spec(job: str, **policy: Any) -> JobSpec:
    """A `call` job that nobody calls."""
    return JobSpec(id=job, kind="call", content={"target": "m:f", "params": {"job": job}}, cell={"job": job}, **policy)


def me(who: Claimer, **more: Any) -> Me:
    """What a session hands to its operations."""
    paths, _ = tickets(who)
    return Me(who.sid, paths.claim, paths.released, paths.evicted, **more)


@dataclass
class Root:
    """A root with one experiment."""

    path: Path
    experiment: str = EXPERIMENT
    count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.store = FolderStore(self.path)

    def plan(self, *jobs: str | JobSpec) -> None:
        specs = [job if isinstance(job, JobSpec) else spec(job) for job in jobs]
        add_to_plan(self.path, self.experiment, lambda: iter(specs), dry_run=False)

    def session(self, *, host: str | None = None, lease_seconds: float = LEASE, is_beating: bool = True) -> Claimer:
        """A session of this very process, or of one on another host, with its tickets and its lease."""
        who = claimer(f"{next(self.count):016x}", lease_seconds)
        who = replace(who, host=host) if host is not None else who
        for make in tickets(who)[1]:
            assert self.store.answer(make) is None
        if is_beating:
            self.write(layout.lease(who.sid), b"")
        return who

    def tickets(self, who: Claimer) -> Tickets:
        return tickets(who)[0]

    def end_session(self, who: Claimer, kind: str = "evicted") -> None:
        self.put(f"{layout.TMP}/{who.sid}.{kind}", layout.session_end(who.sid))

    def claim(self, job: str, attempt: int, who: Claimer) -> None:
        self.put(self.tickets(who).claim, layout.claim(self.experiment, job, attempt))

    def end(self, job: str, attempt: int, kind: End, **body: Any) -> None:
        self.record(EndRecord(kind, body).encode(), layout.end(self.experiment, job, attempt))

    def void(self, job: str, attempt: int, *, fresh: bool = False) -> None:
        self.record(encode_void(fresh=fresh), layout.void(self.experiment, job, attempt))

    def mark(self, job: str, attempt: int) -> None:
        end, marker = (name(self.experiment, job, attempt) for name in (layout.end, layout.done_marker))
        self.put(end, marker)

    def attempts(self, job: str, who: Claimer, *kinds: End, after: int = 0) -> None:
        """Claimed and ended, one after the other."""
        for attempt, kind in enumerate(kinds, after + 1):
            self.claim(job, attempt, who)
            self.end(job, attempt, kind)

    def record(self, data: bytes, path: str) -> None:
        temp = layout.command_temp(f"{next(self.count)}")
        assert self.store.answer(Make(temp, data)) is None
        self.put(temp, path)

    def put(self, source: str, target: str) -> None:
        assert self.store.answer(Put(source, target)) is Won.MINE

    def write(self, path: str, data: bytes) -> None:
        """A plain file, for what no register holds."""
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def age(self, path: str, seconds: float) -> None:
        """Let a file look as if it had been written so long ago."""
        file = self.path / path
        then = file.stat().st_mtime - seconds
        os.utime(file, (then, then))

    def tree(self) -> dict[str, tuple[int, int, int]]:
        """Every name under the root with what would tell of a write."""
        states = ((path, path.lstat()) for path in sorted(self.path.rglob("*")))
        return {str(path): (state.st_ino, state.st_mtime_ns, state.st_size) for path, state in states}


def kinds(text: Sequence[str]) -> list[End]:
    return [End(word) for word in text]
