"""A worker fed with attempts: what to try next, claimed while there is room, and started."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jobs.queue import Claimed
from jobs.records import End
from jobs.sessions import poll_seconds
from orchestrator.attempt import Attempt, Ending
from orchestrator.claiming import Claiming
from orchestrator.keeping import Keeper
from orchestrator.picking import Mine
from orchestrator.place import Place
from orchestrator.pool import Need, Pool, need_of
from orchestrator.running import Running
from orchestrator.timetable import Timetable

SHORTEST_PAUSE: Final = 0.05
GLANCE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Stays:
    """When a worker with nothing to do stays.

    Attributes:
        exit_when_idle: it leaves as soon as nothing can be claimed now.
        keep_alive: it stays also when nothing is left to do.
        has_had_enough: says that nothing more is to be claimed: it was told to stop, or has had its number of jobs.
    """

    exit_when_idle: bool
    keep_alive: bool
    has_had_enough: Callable[[], bool]


@dataclass
class Feeder:
    """See the module's docstring.

    Attributes:
        queue: what to try next, (experiment, job).
        pause: seconds until an idle worker looks again.
        is_leaving: there is nothing left to stay for.
    """

    place: Place
    running: Running
    claiming: Claiming
    keeper: Keeper
    timetable: Timetable
    stays: Stays
    queue: list[tuple[str, str]] = field(default_factory=list)
    pause: float = SHORTEST_PAUSE
    is_leaving: bool = False

    @property
    def pool(self) -> Pool:
        return self.running.pool

    @property
    def poll(self) -> float:
        """Seconds between two listings of what may have changed."""
        return poll_seconds(self.place.session.claimer.lease_seconds, 1)

    def look_again(self) -> None:
        """Something has changed: list it at the next turn."""
        self.queue = []
        self.pause = SHORTEST_PAUSE
        self.timetable.bring_forward("refresh")

    @property
    def wants_more(self) -> bool:
        """Whether there is room, and a reason to fill it."""
        return self.pool.has_room and not self.stays.has_had_enough()

    @property
    def _may_claim(self) -> bool:
        return self.wants_more and not self.keeper.is_without and not self.place.weather.problem

    @property
    def _is_busy(self) -> bool:
        outbox = self.running.ends.outbox
        return bool(self.pool.running or self.running.over or outbox.pending or self.claiming.unknown)

    @property
    def _mine(self) -> Mine:
        session = self.place.session
        running = {attempt.key for attempt in self.running.attempts}
        on_their_way = {
            (pending.experiment, pending.job, pending.attempt) for pending in self.running.ends.outbox.pending
        }
        return Mine(session.past | {session.sid}, frozenset(running | on_their_way))

    def feed(self) -> bool:
        """Claim and start attempts until nothing is free or nothing is left; whether any was started."""
        if self.is_leaving or not self.place.is_fair or not self._may_claim:
            return False
        unread = self.place.weather.unread
        if not self._refresh_queue():
            return False
        started = self._claim_from_queue()
        is_idle = not (started or self.queue or self._is_busy)
        if is_idle and unread == self.place.weather.unread:
            self._maybe_leave()
        return started

    def _refresh_queue(self) -> bool:
        """List again when it is time; with nothing in view, after a pause that doubles while nothing changes."""
        if self.queue and not self.timetable.is_due("refresh", self.poll):
            return True
        if not self.queue and not self.timetable.is_due("idle", self.pause):
            return False
        self.timetable.put_off("refresh", self.poll)
        changed = self.place.board.refresh()
        self.queue = self.place.board.candidates(self._mine)
        longest = max(self.place.session.claimer.lease_seconds / 10, SHORTEST_PAUSE)
        self.pause = SHORTEST_PAUSE if changed or self.queue else min(2 * self.pause, longest)
        return True

    def _claim_from_queue(self) -> bool:
        started, passed = False, []
        for claimed in self.claiming.ask_unknown():
            started |= self._start_late(claimed)
        queue, self.queue = self.queue, []
        while queue and not self.claiming.unknown and self._may_claim:
            experiment, job = queue.pop(0)
            outcome = self._try_job(experiment, job)
            started |= outcome == "started"
            if outcome == "no room":
                passed.append((experiment, job))
            if self.timetable.is_due("glance", GLANCE_SECONDS):
                break  # the loop has other duties too
        self.queue = passed + queue
        return started

    def _try_job(self, experiment: str, job: str) -> str:
        board = self.place.board
        if experiment in board.stopped:
            return "stopped"
        spec = board.views[experiment].plan.spec(job)
        need = need_of(spec, has_gpus=bool(self.pool.gpus))
        if not self.pool.can_ever(need):
            board.unfit[(experiment, job)] = _why_not(need)
            return "never"
        resources = self.pool.take(need)
        if resources is None:
            return "no room"
        if self.place.session.is_suspect:
            self.keeper.look()
        claimed = None if self.keeper.is_without else self.claiming.claim(spec, experiment, self._mine)
        if claimed is None:
            self.pool.give_back(resources)
            return "skipped"
        attempt = Attempt(experiment, spec, claimed.attempt, Path(), resources=resources)
        if self.running.start(attempt, claimed.resume_above):
            self.timetable.bring_forward("note", time.monotonic() + GLANCE_SECONDS)
            return "started"
        return "skipped"

    def _start_late(self, claimed: Claimed) -> bool:
        """A claim of which the folder at last said that it is ours."""
        experiment = claimed.job.experiment
        spec = self.place.board.views[experiment].plan.spec(claimed.job.id)
        resources = self.pool.take(need_of(spec, has_gpus=bool(self.pool.gpus)))
        if resources is not None:
            attempt = Attempt(experiment, spec, claimed.attempt, Path(), resources=resources)
            return self.running.start(attempt, claimed.resume_above)
        attempt = Attempt(experiment, spec, claimed.attempt, Path(), started=time.monotonic())
        outcome = Ending(End.RELEASED, {"error": "no room was left when the folder answered"})
        self.running.ends.publish(attempt, outcome, is_kept=False)
        return False

    def _maybe_leave(self) -> None:
        """Nothing runs and nothing can be claimed now: is there a reason to stay?"""
        if self.stays.keep_alive:
            return
        self.is_leaving = self.stays.exit_when_idle or not self.place.board.is_worth_staying(self._mine)


def _why_not(need: Need) -> str:
    wants = f"{need.gpus} GPUs" if need.gpus else f"{need.slots} CPU slots"
    return f"they need {wants} at once"
