"""The state of every job under a root, from a few directory listings; it never writes and never waits."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from jobs import layout
from jobs.claims import NOTHING, History, Names, Verdict, final_verdict, group_names
from jobs.plan import PlanIndex, experiments, read_plan_index
from jobs.process import claimer, is_gone, is_here
from jobs.queue import folder_name
from jobs.records import Claimer, End, EndRecord, decode_claimer, decode_end
from jobs.sessions import DEFAULT_LEASE_SECONDS
from jobs.spec import JobSpec
from jobs.store import FolderStore
from jobs.view import policy_of


class State(StrEnum):
    """Every job is in one of these."""

    DONE = "done"
    RUNNING = "running"
    SILENT = "silent"
    WAITING = "waiting"
    BLOCKED = "blocked"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class JobState:
    """A job's state, its top attempt, and a word on why."""

    job: str
    state: State
    attempt: int = 0
    session: str | None = None
    end: EndRecord | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SessionState:
    """What shows of a worker's session.

    Attributes:
        note: what it says of itself, for people.
        silent_seconds: since its last sign of life, against the newest sign in this root (one clock: the server's).
        is_own_clock: no sign is newer than this session's own, so it was judged by this host's clock.
    """

    sid: str
    claimer: Claimer | None
    note: dict[str, Any]
    silent_seconds: float
    is_ended: bool
    is_silent: bool
    is_own_clock: bool = False


@dataclass(frozen=True)
class ExperimentState:
    """All jobs of an experiment."""

    name: str
    jobs: list[JobState]
    index: PlanIndex

    @cached_property
    def counts(self) -> dict[str, int]:
        """Jobs by state; the states add up to `total`."""
        counts = {"total": len(self.jobs)} | {state.value: 0 for state in State}
        for job in self.jobs:
            counts[job.state.value] += 1
        return counts


@dataclass(frozen=True)
class Snapshot:
    """Everything under a root, as it looked."""

    experiments: list[ExperimentState]
    sessions: dict[str, SessionState] = field(default_factory=dict)


def snapshot(root: Path, only: str | None = None) -> Snapshot:
    """Look at all experiments under a root, or at one."""
    store = FolderStore(root)
    sessions = _Sessions(root)
    names = [only] if only is not None else experiments(root)
    return Snapshot([_Reader(root, store, name, sessions).read() for name in names], sessions.open())


def planned(root: Path, experiment: str) -> Iterator[JobSpec]:
    """Every job of an experiment, in plan order."""
    index = PlanIndex()
    read_plan_index(FolderStore(root), experiment, index)
    for job in index.order:
        yield index.spec(job)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job with its accepted result.

    Attributes:
        folder: of the accepted attempt; None: it left none.
        summary: the inline result.
    """

    spec: JobSpec
    attempt: int
    folder: Path | None
    summary: dict[str, Any]
    session: str


def accepted(root: Path, experiment: str) -> Iterator[Accepted]:
    """Every done job of an experiment with its result, in plan order."""
    reader = _Reader(root, FolderStore(root), experiment, _Sessions(root))
    state = reader.read()
    for job in state.jobs:
        if job.state is not State.DONE:
            continue
        record = reader.end(job.job, job.attempt)
        if record is None:
            continue
        # By its name under the job's own folder: what a record says cannot lead out of the root.
        name = folder_name(record)
        yield Accepted(
            state.index.spec(job.job),
            job.attempt,
            root / layout.job_folder(experiment, job.job) / name if name else None,
            record.body.get("summary") or {},
            str(record.body.get("sid", "")),
        )


# --- jobs -----------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads one experiment: listings first, single records only where a name does not tell."""

    def __init__(self, root: Path, store: FolderStore, name: str, sessions: _Sessions) -> None:
        self.root, self.store, self.name, self.sessions = root, store, name, sessions
        self.index = PlanIndex()
        self.names: dict[str, Names] = {}
        self.done: dict[str, int] = {}

    def read(self) -> ExperimentState:
        read_plan_index(self.store, self.name, self.index)
        for folder in _listed(self.root / self.name / layout.DONE):
            for register in map(layout.parse_register, _listed(self.root / self.name / layout.DONE / folder)):
                if register is not None:
                    self.done[register.job] = max(register.attempt, self.done.get(register.job, 0))
        # `log/` after `done/`: a marker that was seen has its end in any later listing.
        for folder in _listed(self.root / self.name / layout.LOG):
            names = _listed(self.root / self.name / layout.LOG / folder)
            self.names.update(group_names(map(layout.parse_register, names)))
        states: dict[str, JobState] = {}
        for job in self.index.order:
            states[job] = self._state(job, states)
        return ExperimentState(self.name, list(states.values()), self.index)

    def end(self, job: str, attempt: int) -> EndRecord | None:
        """How an attempt ended; None: it cannot be read."""
        try:
            return decode_end(_bytes(self.root / layout.end(self.name, job, attempt)) or b"")
        except ValueError:
            return None

    def _state(self, job: str, states: dict[str, JobState]) -> JobState:
        names = self.names.get(job, NOTHING)
        top = names.top
        if top and top in names.ends and top not in names.voids and self.done.get(job) == top:
            return JobState(job, State.DONE, top)
        if top and top not in names.ends:
            return self._open(job, top)
        state = self._ended(job, names) if top else JobState(job, State.WAITING)
        return self._with_needs(state, states) if state.state is State.WAITING else state

    def _open(self, job: str, top: int) -> JobState:
        data = _bytes(self.root / layout.claim(self.name, job, top))
        try:
            owner = decode_claimer(data or b"")
        except ValueError:
            return JobState(job, State.WAITING, top, reason="its claim cannot be read")
        session = self.sessions.of(owner)
        state = State.SILENT if session.is_silent or session.is_ended else State.RUNNING
        return JobState(job, state, top, owner.sid)

    def _with_needs(self, state: JobState, states: dict[str, JobState]) -> JobState:
        """The state of a job that would wait, were all done that it needs."""
        line = self.index.lines[state.job]
        if '"needs":' not in line:
            return state
        for other in json.loads(line.partition("\t")[2]).get("needs", ()):
            if other not in self.index.lines:
                return replace(state, state=State.BLOCKED, reason=f"needs {other}, which is not planned")
            needed = states[other] if other in states else self._state(other, states)
            if needed.state is State.FAILED:
                return replace(state, state=State.FAILED, reason=f"needs {other}, which failed for good")
            if needed.state is not State.DONE:
                return replace(state, state=State.BLOCKED, reason=f"needs {other}, which is {needed.state}")
        return state

    def _ended(self, job: str, names: Names) -> JobState:
        top = names.top
        records = {number: self.end(job, number) for number in sorted(names.ends)}
        kinds = {number: record.kind for number, record in records.items() if record is not None}
        history = History(names.top_claim, kinds, names.voids)
        verdict = final_verdict(history, policy_of(self.index.lines[job])[0])
        record = records.get(top)
        if verdict is Verdict.DONE:
            return JobState(job, State.DONE, top, end=record)
        if verdict is Verdict.CANCELLED:
            return JobState(job, State.CANCELLED, top, end=record)
        if verdict is not None:
            return JobState(job, State.FAILED, top, end=record, reason=_reason(record))
        return JobState(job, State.WAITING, top, end=record, reason=f"again after {kinds.get(top, End.RELEASED)}")


def _reason(record: EndRecord | None) -> str:
    return str(record.body.get("error", "")) if record is not None else ""


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  a hundred thousand Path objects would cost seconds
    except (FileNotFoundError, NotADirectoryError):
        return []


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


# --- sessions -------------------------------------------------------------------------------------------------------


class _Sessions:
    """Signs of life, in one look: the process on this very host, else lease times against the newest of all leases."""

    def __init__(self, root: Path) -> None:
        self.folder = root / layout.SESSIONS
        self.me = claimer("", 0.0)
        names = _listed(self.folder)
        self.ended = {name.removesuffix(".end") for name in names if name.endswith(".end")}
        self.beats: dict[str, float] = {}
        for name in names:
            sid = name.removesuffix(".lease")
            if name != sid and sid not in self.ended:
                try:
                    self.beats[sid] = (self.folder / name).stat().st_mtime
                except OSError:
                    continue
        # The newest beat is the server's own clock, or close behind it: the others are judged by it.
        self.newest = max(self.beats.values(), default=0.0)
        self.known: dict[str, SessionState] = {}

    def of(self, owner: Claimer) -> SessionState:
        if owner.sid not in self.known:
            self.known[owner.sid] = self._state(owner.sid, owner)
        return self.known[owner.sid]

    def open(self) -> dict[str, SessionState]:
        """Every session that has a lease and no end."""
        return {sid: self.known.get(sid) or self._state(sid, None) for sid in self.beats}

    def _state(self, sid: str, owner: Claimer | None) -> SessionState:
        note = self._note(sid)
        beat = self.beats.get(sid)
        is_own_clock = beat == self.newest
        now = max(self.newest, time.time()) if is_own_clock else self.newest
        silent = max(0.0, now - beat) if beat is not None else float("inf")
        is_silent = silent > _lease_seconds(owner, note)
        if owner is not None and is_here(owner, self.me):
            # This host's clock may be off from the server's; its processes are beyond doubt.
            is_silent = is_gone(owner, self.me) or (is_silent and not is_own_clock)
        return SessionState(sid, owner, note, silent, sid in self.ended, is_silent, is_own_clock)

    def _note(self, sid: str) -> dict[str, Any]:
        data = _bytes(self.folder / f"{sid}.json")
        try:
            note = json.loads(data) if data else {}
        except ValueError:
            return {}
        return note if isinstance(note, dict) else {}


def _lease_seconds(owner: Claimer | None, note: dict[str, Any]) -> float:
    said = note.get("lease_seconds")
    if owner is not None:
        return owner.lease_seconds
    return float(said) if isinstance(said, int | float) else DEFAULT_LEASE_SECONDS
