"""Examining one experiment: listings first, and single records only of jobs whose names do not tell all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jobs import layout
from jobs.claims import FAILURES, INTERRUPTIONS, MAX_EVICTED, MAX_INTERRUPTED, History, backoff_seconds, final_verdict
from jobs.control import ControlLog
from jobs.hindrances import Hindrances
from jobs.looking import content, read_whole
from jobs.plan import PlanIndex, read_plan_index
from jobs.records import Claimer, End, EndRecord, decode_claimer, decode_end
from jobs.signs import Sessions
from jobs.standings import CLAIMED, KINDS, MARKED, VOID, Standings, read_standings, split
from jobs.states import ExperimentState, JobState, State
from jobs.view import policy_of

_AFTER: Final = {
    End.FAILED: "after a failure",
    End.OOM: "after it ran out of memory",
    End.EVICTED: "after an eviction",
    End.PREEMPTED: "after a preemption",
    End.RELEASED: "after a release",
}
_FINAL: Final = {End.DONE: State.DONE, End.CANCELLED: State.CANCELLED}
_HEAD: Final = b'{"end":"'  # of every record that this program writes


@dataclass
class Examiner:
    """See the module's docstring. Make it before any listing is taken that it is to be newer than.

    Args:
        root: the shared folder.
        name: the experiment.
        control: read already.
        sessions: listed already.
    """

    root: Path
    name: str
    control: ControlLog
    sessions: Sessions
    index: PlanIndex = field(default_factory=PlanIndex)
    standings: Standings = field(default_factory=lambda: Standings({}))
    _owners: dict[bytes, Claimer] = field(default_factory=dict)
    _tops: dict[str, tuple[int, int]] = field(default_factory=dict)  # of jobs whose names do not tell all

    def examine(self) -> ExperimentState:
        """Every planned job's state.

        Raises:
            OSError: something there cannot be read.
        """
        self.look()
        return self.judge()

    def look(self) -> None:
        """List the experiment: the plan first, so that every job of it is in the listings that follow."""
        read_whole(self.root, lambda store: read_plan_index(store, self.name, self.index))
        self.standings = read_standings(str(self.root), self.name, self.index.order)

    def judge(self) -> ExperimentState:
        """The states that the listings amount to, with what is read of single records."""
        self._believe_late_marks()
        plain = self.standings.codes
        rest = [job for job, code in plain.items() if code and code % KINDS != MARKED]
        self._tops = {job: split(plain.pop(job)) for job in rest}
        told = self._open([job for job in rest if self._tops[job][1] == CLAIMED])
        told = {job: told.get(job) or self._ended(job) for job in rest}
        if Hindrances(self.name, self.index, self.control, plain, told).apply():
            told = {job: told[job] for job in self.index.order if job in told}
        plan = f"{self.name}/{layout.PLAN}"
        strangers = [*(f"{plan}/{name}" for name in self.index.strangers), *self.standings.strangers]
        return ExperimentState(self.name, self.index, plain, told, strangers)

    def _believe_late_marks(self) -> None:
        """A marker whose end did not show: the listing of the ends may be an old one, and a record tells for sure."""
        for job, attempt in self.standings.late.items():
            record = self.end(job, attempt)
            if record is not None and record.kind is End.DONE:
                self.standings.mark(job, attempt)

    # --- claimed, without an end ------------------------------------------------------------------------------------

    def _open(self, jobs: list[str]) -> dict[str, JobState]:
        owners = {job: self._owner(job) for job in jobs}
        self.sessions.meet(owner for owner in owners.values() if owner is not None)
        return {job: self._claimed(job, owner) for job, owner in owners.items()}

    def _owner(self, job: str) -> Claimer | None:
        """Who claimed a job's top attempt; None: what stands there is no claim."""
        data = content(f"{self.root}/{layout.claim(self.name, job, self._tops[job][0])}") or b""
        if data not in self._owners:
            try:
                self._owners[data] = decode_claimer(data)
            except ValueError:
                return None
        return self._owners[data]

    def _claimed(self, job: str, owner: Claimer | None) -> JobState:
        top = self._tops[job][0]
        if owner is not None:
            session = self.sessions.of(owner)
            if not session.is_silent and not session.is_ended:
                return JobState(job, State.RUNNING, top, owner.sid)
        # It may have ended since the listing, and its worker have left: that is no silence.
        if self.end(job, top) is not None:
            return self._ended(job)
        if owner is None:
            return JobState(job, State.BLOCKED, top, reason="its claim cannot be understood: orch cancel gives it up")
        return JobState(job, State.SILENT, top, owner.sid)

    # --- ended ------------------------------------------------------------------------------------------------------

    def _ended(self, job: str) -> JobState:
        top, kind = self._tops[job]
        if kind == VOID:
            return JobState(job, State.WAITING, top, reason="requeued")
        record = self.end(job, top)
        if record is None:
            return _unreadable(job, top, top)
        if record.kind in _FINAL:
            return JobState(job, _FINAL[record.kind], top, end=record)
        policy = policy_of(self.index.lines[job])[0]
        void = self.standings.voids.get(job, 0)
        kinds = {top: record.kind}
        # Fewer attempts than the least bound use up none of them; only a back-off counts them then.
        is_counted = record.kind in FAILURES or top - void >= min(policy.max_attempts, MAX_EVICTED, MAX_INTERRUPTED)
        if is_counted and record.kind is not End.NAN:
            for number in range(top - 1, void, -1):
                if (earlier := self._kind(job, number)) is None:
                    return _unreadable(job, top, number)
                kinds[number] = earlier
        history = History(top, kinds, frozenset({void} if void else ()))
        if final_verdict(history, policy) is not None:
            return JobState(job, State.FAILED, top, end=record, reason=_why_failed(job, record, kinds))
        reason, seconds = _AFTER[record.kind], backoff_seconds(history)
        return JobState(job, State.WAITING, top, end=record, reason=reason, backoff_seconds=seconds)

    def end(self, job: str, attempt: int) -> EndRecord | None:
        """How an attempt ended; None: there is no record, or none that can be understood.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return decode_end(self._end_data(job, attempt))
        except ValueError:
            return None

    def _kind(self, job: str, attempt: int) -> End | None:
        """How an attempt ended, from the head of its record where that tells."""
        data = self._end_data(job, attempt)
        try:
            if data.startswith(_HEAD):
                return End(data[len(_HEAD) : data.index(b'"', len(_HEAD))].decode())
            return decode_end(data).kind
        except ValueError:
            return None

    def _end_data(self, job: str, attempt: int) -> bytes:
        return content(f"{self.root}/{layout.end(self.name, job, attempt)}") or b""


def _unreadable(job: str, top: int, attempt: int) -> JobState:
    return JobState(job, State.BLOCKED, top, reason=f"the record of how attempt {attempt} ended cannot be understood")


def _why_failed(job: str, record: EndRecord, kinds: Mapping[int, End]) -> str:
    """The error of the end that was one too many, or what came too often: such ends are no error of anybody's."""
    if record.kind is End.EVICTED:
        times = sum(kind is End.EVICTED for kind in kinds.values())
        return f"evicted {times} times: its worker ended each time while it ran; see orch logs {job}"
    if record.kind in INTERRUPTIONS:
        times = sum(kind in INTERRUPTIONS for kind in kinds.values())
        return f"preempted or released {times} times; see orch logs {job}"
    return str(record.body.get("error", ""))
