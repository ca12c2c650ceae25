"""Where every job of one experiment stands, kept up to date by what has changed and never by walking over all jobs."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby, repeat

from jobs.claims import NOTHING, History, Policy, Verdict, final_verdict, is_left_over
from jobs.control import ControlLog
from jobs.plan import NEEDS
from jobs.view import ExperimentView, policy_of
from orchestrator.holders import Holders
from orchestrator.lanes import Lane, Mark, Shape, only_shape, shape_of


@dataclass
class Knowledge:
    """What a worker knows beside the registers of one experiment.

    Attributes:
        holders: who holds the open claims.
        control: what people asked of all workers.
        ended: sessions known to be over.
        retry_at: monotonic seconds before which a job is left alone.
    """

    holders: Holders
    control: ControlLog = field(default_factory=ControlLog)
    ended: set[str] = field(default_factory=set)
    retry_at: dict[tuple[str, str], float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic


@dataclass
class Ledger:
    """See the module's docstring.

    Attributes:
        view: what the listings show.
        lanes: the jobs by what they ask for.
        open: job -> its top attempt, where that has no end.
    """

    view: ExperimentView
    known: Knowledge
    lanes: dict[Shape, Lane] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    _where: dict[str, tuple[Lane, int]] = field(default_factory=dict)
    _needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _needed_by: dict[str, set[str]] = field(default_factory=dict)
    _waking: list[tuple[float, str]] = field(default_factory=list)
    _planned: int = 0
    _updated: int = 0
    _heeded: int = 0

    def settle(self) -> None:
        """Take in what has changed since the last time."""
        plan, changed = self.view.plan, self.view.changed
        if plan.updated != self._updated or self.known.control.files != self._heeded:
            self._set_up()
        elif len(plan.order) != self._planned:
            self._add(plan.order[self._planned :])
        while self._waking and self._waking[0][0] <= self.known.clock():
            changed.add(heapq.heappop(self._waking)[1])
        while changed:
            self._look(changed.pop())

    def where(self, job: str) -> tuple[Lane, int]:
        """A planned job's lane, and its index there."""
        return self._where[job]

    # --- the plan ---------------------------------------------------------------------------------------------------

    def _set_up(self) -> None:
        """All anew: priorities, or what is held, may have changed for any job."""
        self.lanes, self._where, self._needs, self._needed_by = {}, {}, {}, {}
        self._planned, self._updated = 0, self.view.plan.updated
        self._heeded = self.known.control.files
        self._add(self.view.plan.order)

    def _add(self, jobs: list[str]) -> None:
        """Jobs that were planned after all others."""
        first, self._planned = self._planned, self._planned + len(jobs)
        for (shape, priority), places in self._groups(jobs, first):
            lane = self.lanes.setdefault(shape, Lane(shape))
            if not lane.takes(priority):
                self._set_up()  # an urgent job goes before what is there already
                return
            group = jobs[places.start - first : places.stop - first]
            self._where.update(zip(group, zip(repeat(lane), lane.extend(group, priority, places.start)), strict=False))
        self._mark_new(jobs)

    def _groups(self, jobs: list[str], first: int) -> list[tuple[tuple[Shape, int], range]]:
        """Places of jobs that were planned one after the other and are alike; by priority, then in plan order."""
        plan = self.view.plan
        shape = only_shape(plan) if not plan.has_needs and not self.known.control.files else None
        if shape is not None:
            return [((shape, 0), range(first, first + len(jobs)))]
        alike = groupby(enumerate(jobs, first), key=lambda entry: self._facts(entry[1]))
        groups = [(facts, [place for place, _ in entries]) for facts, entries in alike]
        groups.sort(key=lambda group: -group[0][1])  # stable: plan order where priorities are equal
        return [(facts, range(places[0], places[-1] + 1)) for facts, places in groups]

    def _facts(self, job: str) -> tuple[Shape, int]:
        """A job's shape and priority; what it needs is noted."""
        plan = self.view.plan
        line = plan.lines[job]
        priority = policy_of(line)[1] if plan.has_policies else 0
        if plan.has_needs and NEEDS in line:
            self._needs[job] = tuple(json.loads(line.partition("\t")[2]).get("needs", ()))
            for other in self._needs[job]:
                self._needed_by.setdefault(other, set()).add(job)
        return shape_of(line), self.known.control.priority(self.view.name, job, priority)

    def _mark_new(self, jobs: Iterable[str]) -> None:
        """New jobs are marked fresh already: look only at those that may be something else."""
        view, control = self.view, self.known.control
        put_off = {job for name, job in self.known.retry_at if name == view.name}
        known = view.names.keys() | view.done.keys() | view.ends.keys() | put_off | self._needed_by.keys()
        view.changed.update(self._needs)
        view.changed.update(job for job in jobs if job in known or (control.files and control.is_held(view.name, job)))

    # --- one job ----------------------------------------------------------------------------------------------------

    def _look(self, job: str) -> None:
        """Find out where a job stands; those that need it follow."""
        self._note_open(job)
        if job not in self._where:
            return
        lane, index = self._where[job]
        before, mark = lane.marks[index], self._mark(job)
        lane.marks[index] = mark
        if before != mark and job in self._needed_by:
            self.view.changed.update(self._needed_by[job])

    def _note_open(self, job: str) -> None:
        attempt, before = self.view.open_attempt(job), self.open.get(job, 0)
        if attempt == before:
            return
        if before:
            del self.open[job]
            self.known.holders.closed((self.view.name, job, before))
        if attempt:
            self.open[job] = attempt
            self.known.holders.opened((self.view.name, job, attempt))

    def _mark(self, job: str) -> Mark:
        if self.view.has_marker(job):
            self.view.forget_ends(job)
            return Mark.DONE
        history, needs = history_of(self.view, job), self._needs_mark(job)
        mark = self._final(job, history)
        if mark is None and needs is Mark.NEVER:
            mark = Mark.NEVER
        if mark is None and self.known.control.is_held(self.view.name, job):
            mark = Mark.HELD_OPEN if self._is_open(job) else Mark.HELD
        return mark or needs or self._wanted(job, history)

    def _wanted(self, job: str, history: History) -> Mark:
        """Where a job stands that nothing rules out."""
        at = self.known.retry_at.get((self.view.name, job), 0.0)
        if at > self.known.clock():
            heapq.heappush(self._waking, (at, job))
            return Mark.LATER
        if self._is_open(job):
            return Mark.OPEN
        return Mark.LEFT if job in self.open or is_left_over(history) else Mark.FRESH

    def _final(self, job: str, history: History) -> Mark | None:
        """What was read rules out another attempt; None also where the top end was not read yet."""
        if self.view.names.get(job, NOTHING).top not in history.ends:
            return None
        verdict = final_verdict(history, self.policy(job))
        return None if verdict is None else Mark.DONE if verdict is Verdict.DONE else Mark.NEVER

    def _is_open(self, job: str) -> bool:
        """Whether its top attempt is open, and its session not known to be over."""
        attempt = self.open.get(job, 0)
        if not attempt or attempt in self.view.ends.get(job, {}):
            return False
        owner = self.known.holders.who.get((self.view.name, job, attempt))
        return owner is None or owner.sid not in self.known.ended

    def _needs_mark(self, job: str) -> Mark | None:
        """None: all is done that it needs."""
        worst = None
        for other in self._needs.get(job, ()):
            mark = self._mark_of(other)
            if mark in {Mark.NEVER, Mark.HELD}:
                return Mark.NEVER
            if mark is not Mark.DONE:
                worst = Mark.NEEDS
        return worst

    def _mark_of(self, job: str) -> Mark:
        if job not in self._where:
            return Mark.NEVER
        lane, index = self._where[job]
        return Mark(lane.marks[index])

    def policy(self, job: str) -> Policy:
        """The bounds of a planned job."""
        plan = self.view.plan
        return policy_of(plan.lines[job])[0] if plan.has_policies else Policy()


def history_of(view: ExperimentView, job: str) -> History:
    """Everything that was read of a job's attempts."""
    names = view.names.get(job, NOTHING)
    kinds = {number: record.kind for number, record in view.ends.get(job, {}).items()}
    return History(names.top_claim, kinds, names.voids)
