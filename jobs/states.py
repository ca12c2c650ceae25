"""The states that a job may be in, and all jobs of an experiment with theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

from jobs.plan import PlanIndex
from jobs.records import EndRecord
from jobs.standings import KINDS

UNTRIED: Final = "not tried yet"


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
    """A job's state, its top attempt, and a word on why.

    Attributes:
        session: that claimed an attempt which runs, or has fallen silent.
        end: how the top attempt ended, where that had to be read.
        reason: why it waits, is blocked or has failed.
        backoff_seconds: how long it waits at most before it may be tried again.
    """

    job: str
    state: State
    attempt: int = 0
    session: str | None = None
    end: EndRecord | None = None
    reason: str = ""
    backoff_seconds: float = 0.0


@dataclass(frozen=True)
class ExperimentState:
    """All jobs of an experiment, each in one state.

    Most jobs of a large plan are done or were never tried, and there is nothing to say of them but that.

    Attributes:
        index: the plan.
        plain: of jobs that are done, their codes (see `jobs.standings`); of jobs that wait and were never tried, 0.
        told: every other job's state, in plan order.
        strangers: files that are none of ours, by their path under the root.
    """

    name: str
    index: PlanIndex
    plain: Mapping[str, int]
    told: Mapping[str, JobState]
    strangers: list[str] = field(default_factory=list)

    @property
    def problem(self) -> str:
        """Why not all of the plan could be read, in one line; empty: it was."""
        return f"{self.index.problem}; {self.index.remedy}" if self.index.problem else ""

    @cached_property
    def counts(self) -> dict[str, int]:
        """Jobs by state; the states add up to `total`."""
        told = Counter(state.state for state in self.told.values())
        untried = list(self.plain.values()).count(0)
        told[State.WAITING] += untried
        told[State.DONE] += len(self.plain) - untried
        return {"total": len(self.index.order)} | {state.value: told[state] for state in State}

    @cached_property
    def jobs(self) -> list[JobState]:
        """Every job, in plan order."""
        return [self.state(job) for job in self.index.order]

    def state(self, job: str) -> JobState:
        """A planned job's state."""
        told = self.told.get(job)
        return plain_state(job, self.plain[job]) if told is None else told

    def accepted(self) -> Iterator[tuple[str, int]]:
        """The plain jobs that are done, in plan order, each with its accepted attempt."""
        return ((job, code // KINDS) for job, code in self.plain.items() if code)

    def those(self, state: State) -> Iterator[JobState]:
        """The jobs in a state, in plan order; of those that wait only the ones that were tried before."""
        return (told for told in self.told.values() if told.state is state)


def plain_state(job: str, code: int) -> JobState:
    """The state of a job that is done, or (code 0) was never tried."""
    return JobState(job, State.DONE, code // KINDS) if code else JobState(job, State.WAITING, reason=UNTRIED)
