"""Why a job that would wait for a worker cannot be tried: it is held, or needs others."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from jobs.control import ControlLog
from jobs.plan import PlanIndex
from jobs.states import JobState, State, plain_state


@dataclass(slots=True)
class Hindrances:
    """Turns states without regard to others into states with it, in place.

    Attributes:
        plain, told: as in `ExperimentState`; changed by `apply`.
    """

    experiment: str
    index: PlanIndex
    control: ControlLog
    plain: dict[str, int]
    told: dict[str, JobState]
    _settled: set[str] = field(default_factory=set)

    def apply(self) -> bool:
        """Look at every job that would wait; whether there are more jobs in `told` now."""
        before = len(self.told)
        if self.index.has_needs:
            for job in self.index.order:
                if self._would_wait(job):
                    self._settle_with_needs(job)
        elif self.control.files:
            waiting = [job for job, code in self.plain.items() if not code]
            waiting += [job for job, told in self.told.items() if told.state is State.WAITING]
            for job in waiting:
                if held_as := self.control.held_as(self.experiment, job):
                    self._move(job, State.BLOCKED, _held(held_as))
        return len(self.told) != before

    def _would_wait(self, job: str) -> bool:
        told = self.told.get(job)
        return self.plain[job] == 0 if told is None else told.state is State.WAITING

    def _needs(self, job: str) -> list[str]:
        line = self.index.lines[job]
        if '"needs":' not in line:
            return []
        return list(json.loads(line.partition("\t")[2]).get("needs", ()))

    def _settle_with_needs(self, first: str) -> None:
        """Settle a job after those that it needs; a chain may be as long as a plan."""
        stack, met = [first], {first}
        while stack:
            job = stack[-1]
            ahead = [other for other in self._needs(job) if other not in met and self._is_open(other)]
            if ahead:
                stack.extend(ahead)
                met.update(ahead)
            else:
                self._settle(stack.pop())

    def _is_open(self, job: str) -> bool:
        return job not in self._settled and job in self.index.lines and self._would_wait(job)

    def _settle(self, job: str) -> None:
        if job in self._settled:
            return
        self._settled.add(job)
        if (why := self._hindrance(job)) is not None:
            self._move(job, *why)

    def _move(self, job: str, state: State, reason: str) -> None:
        before = self.told.get(job) or plain_state(job, self.plain.pop(job))
        self.told[job] = replace(before, state=state, reason=reason, backoff_seconds=0.0)

    def _hindrance(self, job: str) -> tuple[State, str] | None:
        for other in self._needs(job):
            if other not in self.index.lines:
                return State.BLOCKED, f"needs {other}, which is not planned"
            told = self.told.get(other)
            state = told.state if told is not None else State.DONE if self.plain[other] else State.WAITING
            if state is State.FAILED:
                return State.FAILED, f"needs {other}, which failed for good"
            if state is not State.DONE:
                return State.BLOCKED, f"needs {other}, which is {state}"
        if held_as := self.control.held_as(self.experiment, job):
            return State.BLOCKED, _held(held_as)
        return None


def _held(held_as: str) -> str:
    return f"held: orch release {held_as}"
