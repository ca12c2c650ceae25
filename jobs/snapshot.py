"""The state of every job under a root, from a few directory listings; it never writes and never waits."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jobs import layout
from jobs.control import ControlLog
from jobs.examining import Examiner
from jobs.looking import patiently, read_whole
from jobs.plan import PlanIndex, experiments, read_plan_index
from jobs.signs import Sessions, SessionState
from jobs.spec import JobSpec
from jobs.standings import MOST_STRANGERS
from jobs.states import UNTRIED, ExperimentState, JobState, State
from jobs.store import FolderStore

__all__ = [
    "UNTRIED",
    "Accepted",
    "ExperimentState",
    "JobState",
    "SessionState",
    "Snapshot",
    "State",
    "accepted",
    "planned",
    "snapshot",
]


MOST_OVER: Final = 32


@dataclass(frozen=True)
class Snapshot:
    """Everything under a root, as it looked.

    Attributes:
        sessions: those that are open.
        over: sessions that have ended and whose notes are still there: first `enders`, the newest first; a few only,
            as nothing but what they left undone is of interest.
        enders: sessions that have ended, and by whom an end is that still counts and had to be read.
        problem: why not all commands (hold, release, priority) could be read, in one line; empty: they were.
        strangers: files that are none of ours where orch looked, by their path under the root; the first ones.
    """

    experiments: list[ExperimentState]
    sessions: dict[str, SessionState] = field(default_factory=dict)
    over: dict[str, SessionState] = field(default_factory=dict)
    enders: frozenset[str] = frozenset()
    problem: str = ""
    strangers: list[str] = field(default_factory=list)


def snapshot(root: Path, only: str | None = None) -> Snapshot:
    """Look at all experiments under a root, or at one.

    Raises:
        OSError: something there cannot be read. What is not seen is never guessed at.
    """
    with _uncollected():
        names = [only] if only is not None else patiently(lambda: experiments(root))
        control, sessions = _read_control(root), Sessions(root)
        states = [Examiner(root, name, control, sessions).examine() for name in names]
    strangers = [f"{layout.CONTROL}/{name}" for name in control.strangers] + sessions.strangers
    strangers += [path for state in states for path in state.strangers]
    problem = f"{control.problem}; {control.remedy}" if control.problem else ""
    enders = [sid for sid in _enders(states) if sid in sessions.ended]
    over = sessions.over(enders, MOST_OVER)
    return Snapshot(states, sessions.open(), over, frozenset(enders), problem, strangers[:MOST_STRANGERS])


def _enders(states: list[ExperimentState]) -> list[str]:
    """By whom the ends are that were read, the newest first by their hosts' clocks: good enough to show."""
    newest: dict[str, float] = {}
    for job in (job for state in states for job in state.told.values()):
        body = job.end.body if job.end is not None else {}
        if isinstance(sid := body.get("sid"), str):
            ended = body.get("ended")
            newest[sid] = max(newest.get(sid, 0.0), ended if isinstance(ended, int | float) else 0.0)
    return sorted(newest, key=lambda sid: -newest[sid])


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: a tenth of the time goes into looking for cycles where there are none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read_control(root: Path) -> ControlLog:
    control = ControlLog()
    read_whole(root, control.refresh)
    return control


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
    """Every done job of an experiment with its result, in plan order.

    Raises:
        OSError: something there cannot be read.
    """
    from jobs.queue import folder_name

    examiner = Examiner(root, experiment, ControlLog(), Sessions(root))
    state = examiner.examine()
    for job in state.jobs:
        if job.state is not State.DONE:
            continue
        record = examiner.end(job.job, job.attempt)
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
