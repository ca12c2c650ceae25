"""Promises that a single turn can break: what a worker may change in a folder, and what it may run."""

from __future__ import annotations

from dataclasses import dataclass

from jobs import layout
from jobs.queue import Claimed
from jobs.records import End
from tests.jobs.checker.driving import Turn
from tests.jobs.checker.files import Files
from tests.jobs.checker.folder import As, Folder
from tests.jobs.checker.minds import Mind
from tests.jobs.checker.shape import EXPERIMENT, job_number, worker_of


@dataclass(frozen=True)
class Judge:
    """Looks at turns of workers.

    Args:
        files: of the folder.
        is_alone: whether all other workers are dead, so that nobody shows life any more.
    """

    files: Files
    is_alone: bool

    def broken_by(self, mind: Mind, before: Folder, after: Folder) -> str:
        for place, file in after.changes.items():
            if place >= self.files.late_place or before[place] == file:
                continue
            if broken := self._broken_at(mind, self.files.paths[place], before, after):
                return broken
        return ""

    def _broken_at(self, mind: Mind, path: str, before: Folder, after: Folder) -> str:
        place = self.files.place[path]
        if place in self.files.leases:
            return self._broken_lease(path, before, after)
        if before.has(place):
            return f"{path} was there, and is another file now"
        if path.startswith(layout.SESSIONS):
            sid = path.rpartition("/")[2][:16]
            is_own = worker_of(sid) == mind.who
            is_paid = mind.about[-1:] == ("old",) or self.is_alone
            if not is_own and not is_paid and self.files.lease_is(before, sid, "beating"):
                return f"{sid} was ended while it showed life"
            return ""
        return self._broken_end(mind, path, after)

    def _broken_lease(self, path: str, before: Folder, after: Folder) -> str:
        sid, place = path.rpartition("/")[2][:16], self.files.place[path]
        if after[place] and before[place]:
            is_silenced = self.files.lease_is(after, sid, "silent")
            return "" if is_silenced else f"{path} was replaced"
        if not after[place] and not self.files.has_ended(after, sid):
            return f"the lease of {sid} was removed, which has not ended"
        return ""

    def _broken_end(self, mind: Mind, path: str, after: Folder) -> str:
        """Only its own runner ends what a slot runs, and a worker releases only what is its own."""
        register = layout.parse_register(path.rpartition("/")[2])
        if register is None or register.suffix != ".end" or mind.about[0] != "claim" or "/log/" not in path:
            return ""
        key = (job_number(register.job), register.attempt)
        if key in mind.held:
            return f"{path}: it ended an attempt that it runs itself"
        claim = after.ask(self.files.place[path.removesuffix(".end")], As.CONTENT)
        kind, owner = self.files.kind(after[self.files.place[path]]), self.files.owner(claim)
        if kind is End.EVICTED and not self.files.has_ended(after, owner):
            return f"{path}: it was evicted from {owner}, which has not ended"
        if kind is End.RELEASED and worker_of(owner) != mind.who:
            return f"{path}: it released another's attempt"
        return ""

    def broken_by_run(self, mind: Mind, key: tuple[int, int], claimed: Claimed, turn: Turn) -> str:
        name, register = f"{claimed.job.id}.{key[1]:04d}", layout.claim(EXPERIMENT, claimed.job.id, key[1])
        if key in mind.ran:
            return f"{name} is run twice by one process"
        claim = turn.folder.ask(self.files.place[register], As.CONTENT)
        if not claim or worker_of(self.files.owner(claim)) != mind.who:
            return f"{name} is run by one who did not claim it"
        if key[1] == 1 or "STALE" in turn.text:
            return ""
        paths = (layout.void(EXPERIMENT, claimed.job.id, number) for number in range(1, key[1]))
        voids = (turn.folder.ask(self.files.place[path], As.CONTENT) for path in paths)
        fresh = max((n for n, void in enumerate(voids, 1) if void and self.files.is_fresh(void)), default=0)
        if not fresh <= claimed.resume_above < key[1]:
            return f"{name} resumes from what lies above {claimed.resume_above}, and a fresh void stands at {fresh}"
        return ""
