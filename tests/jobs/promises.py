"""What the queue promises, checked against a folder in memory and against what was run."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from jobs import layout
from jobs.claims import MAX_EVICTED, MAX_INTERRUPTED, Names, Verdict, group_names
from jobs.queue import Claimed, folder_name
from jobs.records import End, EndRecord, decode_claimer, decode_end, is_fresh_void
from tests.jobs.memory_store import MemoryStore

EXPERIMENT: Final = "exp"
MAX_ATTEMPTS: Final = 2
_FAILURES: Final = {End.FAILED, End.OOM}
_INTERRUPTIONS: Final = {End.PREEMPTED, End.RELEASED}


class BrokenPromiseError(AssertionError):
    """A promise that was not kept."""


def promise(kept: bool, text: str) -> None:
    if not kept:
        raise BrokenPromiseError(text)


@dataclass
class Folder:
    """The folder as it is, for one who sees everything."""

    store: MemoryStore = field(default_factory=MemoryStore)
    _records: dict[int, EndRecord] = field(default_factory=dict)
    _checked: int = 0

    def listing(self, job: str) -> Names:
        names = self.store.folders[layout.log_shard(EXPERIMENT, job)]
        return group_names(map(layout.parse_register, names)).get(job, Names())

    def end(self, job: str, number: int) -> EndRecord:
        inode = self.store.inodes[layout.end(EXPERIMENT, job, number)]
        if inode not in self._records:
            self._records[inode] = decode_end(self.store.contents[inode])
        return self._records[inode]

    def ends(self, job: str) -> dict[int, End]:
        return {number: self.end(job, number).kind for number in sorted(self.listing(job).ends)}

    def newest_fresh_void(self, job: str) -> int:
        voids = self.listing(job).voids
        fresh = [n for n in voids if is_fresh_void(self.store.read(layout.void(EXPERIMENT, job, n)))]
        return max(fresh, default=0)

    def has_ended(self, sid: str) -> bool:
        return layout.session_end(sid) in self.store.inodes

    # --- at any moment ----------------------------------------------------------------------------------------------

    def check(self, jobs: Iterable[str]) -> None:
        """What must hold after every turn; read again only where something has changed."""
        size = len(self.store.inodes) + len(self.store.contents)
        if size != self._checked:
            self._checked = size
            for job in jobs:
                self._check_registers(job)
                self._check_done(job)

    def _check_registers(self, job: str) -> None:
        names = self.listing(job)
        promise(names.claims == set(range(1, names.top_claim + 1)), f"{job}: claims {names.claims} have a gap")
        for number in range(1, names.top_claim):
            promise(number in names.ends, f"{job}: attempt {number + 1} was claimed before {number} had ended")

    def _check_done(self, job: str) -> None:
        ends, voids = self.ends(job), self.listing(job).voids
        done = [number for number, kind in ends.items() if kind is End.DONE]
        for one, two in itertools.pairwise(done):
            promise(any(one <= void < two for void in voids), f"{job}: {one} and {two} are done, with no void between")
        for marker in self.store.folders[f"{EXPERIMENT}/{layout.DONE}/{layout.shard(job)}"]:
            register = layout.parse_register(marker)
            if register is not None and register.job == job:
                promise(ends.get(register.attempt) is End.DONE, f"{marker} is marked and not done")

    # --- at a worker's doing ----------------------------------------------------------------------------------------

    def check_eviction(self, job: str, number: int) -> None:
        """An attempt is evicted only where its session has an end."""
        owner = decode_claimer(self.store.read(layout.claim(EXPERIMENT, job, number))).sid
        promise(self.has_ended(owner), f"{job}.{number} was evicted from a session without an end")

    def check_run(self, claimed: Claimed, tickets: Iterable[str], fresh_void: int) -> None:
        """What must hold where an attempt begins.

        Args:
            claimed: the attempt.
            tickets: what its worker may have claimed it with.
            fresh_void: the newest fresh void when it last listed the shard.
        """
        job, number = claimed.job.id, claimed.attempt
        ends, newest_void = self.ends(job), max(self.listing(job).voids, default=0)
        ticket = self.store.inodes.get(layout.claim(EXPERIMENT, job, number), -1)
        is_mine = ticket in {self.store.inodes.get(path) for path in tickets}
        promise(is_mine, f"{job}.{number} is run by one who did not claim it")
        for below in range(1, number):
            is_final = ends[below] in {End.DONE, End.CANCELLED}
            promise(not is_final or newest_void >= below, f"{job}.{number} is run after {ends[below]} {below}")
        spent = _spent([kind for below, kind in ends.items() if newest_void < below < number])
        promise(not spent, f"{job}.{number} is run though {spent}")
        if number > 1:
            bound = claimed.resume_above
            promise(fresh_void <= bound < number, f"{job}.{number} resumes above {bound}, fresh void {fresh_void}")

    # --- in the end -------------------------------------------------------------------------------------------------

    def check_verdict(self, job: str, verdict: Verdict) -> None:
        """Who has read everything leaves a job alone for a good reason only."""
        names, ends = self.listing(job), self.ends(job)
        newest_void = max(names.voids, default=0)
        if verdict is Verdict.SPENT:
            promise(
                bool(_spent([kind for number, kind in ends.items() if number > newest_void])), f"{job} is not spent"
            )
        else:
            kinds = {Verdict.DONE: End.DONE, Verdict.CANCELLED: End.CANCELLED, Verdict.NAN: End.NAN}
            promise(ends[names.top] is kinds.get(verdict), f"{job}: {verdict}, though its top end says otherwise")
            promise(names.top > newest_void, f"{job}: {verdict}, though it was requeued")

    def check_result(self, job: str) -> None:
        """A done job is marked, and people find its newest result."""
        top = self.listing(job).top
        if self.end(job, top).kind is End.DONE:
            promise(layout.done_marker(EXPERIMENT, job, top) in self.store.inodes, f"{job} is done and not marked")
            shown = self.store.links.get(layout.result_link(EXPERIMENT, job))
            promise(shown == folder_name(self.end(job, top)), f"{job}: result shows {shown}, not attempt {top}")


def _spent(counted: list[End]) -> str:
    """Which bound ends have reached; empty: none."""
    if sum(kind in _FAILURES for kind in counted) >= MAX_ATTEMPTS:
        return "its failures are spent"
    if counted.count(End.EVICTED) >= MAX_EVICTED:
        return "its evictions are spent"
    return "its interruptions are spent" if sum(k in _INTERRUPTIONS for k in counted) >= MAX_INTERRUPTED else ""
