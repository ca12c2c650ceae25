"""A worker fed with attempts: what to try next, claimed while there is room, and started."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from jobs.queue import Claimed
from jobs.records import End
from jobs.sessions import poll_seconds
from orchestrator.attempt import Attempt, Ending
from orchestrator.claiming import Claiming
from orchestrator.keeping import Keeper
from orchestrator.lanes import Shape
from orchestrator.picking import Mine, Outlook, Picked
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


class Tried(Enum):
    """What came of trying a job."""

    STARTED = "it runs"
    NO_ROOM = "its resources are not free now"
    LOST = "another worker was first"
    SKIPPED = "not now, or not here"


@dataclass
class Feeder:
    """See the module's docstring.

    Attributes:
        queue: what to try next, (experiment, job).
        full: shapes of jobs for which there was no room at the last try.
        pause: seconds until an idle worker looks again.
        is_leaving: there is nothing left to stay for.
    """

    place: Place
    running: Running
    claiming: Claiming
    keeper: Keeper
    timetable: Timetable
    stays: Stays
    queue: deque[tuple[str, str]] = field(default_factory=deque)
    full: set[Shape] = field(default_factory=set)
    pause: float = SHORTEST_PAUSE
    is_leaving: bool = False
    _picked_at: float = 0.0
    _is_own: bool = True
    _gives_way: bool = False
    _needs: dict[Shape, Need] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    @property
    def pool(self) -> Pool:
        return self.running.pool

    @property
    def poll(self) -> float:
        """Seconds between two listings of what may have changed: what people ask is heard at the next beat."""
        session = self.place.session
        return min(poll_seconds(session.claimer.lease_seconds, 1), session.beat_seconds)

    def look_again(self) -> None:
        """Something has changed: list it at the next turn."""
        self.queue.clear()
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
        return Mine(session.past | {session.sid}, frozenset(running | on_their_way), session.sid)

    def feed(self) -> bool:
        """Claim and start attempts until nothing is free or nothing is left; whether any was started."""
        if self.is_leaving or not self.place.is_fair or not self._may_claim:
            return False
        unread = self.place.weather.unread
        was_full, self._gives_way = bool(self.full), False
        self.full.clear()
        if was_full:  # nothing may be new but the room
            if self.timetable.is_due("refresh", self.poll):
                self.refresh()
            self._pick()
        elif not self._refresh_queue():
            return False
        started = self._claim_from_queue()
        is_idle = not (started or self.queue or self.full or self._gives_way or self._is_busy)
        if is_idle and unread == self.place.weather.unread:
            self._maybe_leave()
        return started

    def refresh(self) -> bool:
        """List again what may have changed, and pick anew; whether anything did change."""
        self.timetable.put_off("refresh", self.poll)
        changed = self.place.board.refresh()
        self.queue.clear()
        for problem in self.place.board.problems():
            if problem not in self._told:
                self._told.add(problem)
                self.place.say(problem)
        return changed

    def _refresh_queue(self) -> bool:
        """List again when it is time; with nothing in view, after a pause that doubles while nothing changes."""
        if self.queue and not self.timetable.is_due("refresh", self.poll):
            return True
        if self.queue:
            self.place.board.narrow()
        elif not self.timetable.is_due("idle", self.pause):
            return False
        changed = self.refresh()
        self.place.board.look_for_peers()
        self._pick()
        longest = max(self.place.session.claimer.lease_seconds / 10, SHORTEST_PAUSE)
        self.pause = SHORTEST_PAUSE if changed or self.queue else min(2 * self.pause, longest)
        return True

    def _pick(self) -> Picked:
        """Queue what to try next, of what those who are there leave to this worker."""
        picked = self.place.board.candidates(self._mine, self.full)
        self.queue, self._is_own = deque(picked.jobs), picked.is_own
        self._picked_at = time.monotonic()
        return picked

    def _pick_more(self, *, has_lost: bool = False) -> None:
        """What was picked is used up, or no longer true: pick again.

        Where that was quick, one's own share is taken from more jobs. Others' jobs are tried only after a look at the
        folder: their owners are at work on them. So are others at the rest of one's own, where they took one of it.
        """
        board = self.place.board
        is_quick = time.monotonic() - self._picked_at < GLANCE_SECONDS
        board.look_for_peers()
        if board.is_stale or (has_lost and not board.is_new):
            self.refresh()
        picked = self._pick()
        while not picked.is_own and is_quick and board.widen():
            picked = self._pick()
        if not picked.is_own and not board.is_new:
            self.refresh()
            self._pick()

    def _claim_from_queue(self) -> bool:
        started = False
        for claimed in self.claiming.ask_unknown():
            started |= self._start_late(claimed)
        while self.queue and not self.claiming.unknown and self._may_claim:
            if self.place.board.look_for_peers():
                self._pick_more()
                continue
            experiment, job = self.queue.popleft()
            outcome = self._try_job(experiment, job)
            started |= outcome is Tried.STARTED
            if outcome is Tried.NO_ROOM:
                self.full.add(self.place.board.shape(experiment, job))
                self._pick()
            elif outcome is Tried.LOST and not self._is_own:
                self._gives_way = True  # the others are there themselves: no use in running against them
                self.queue.clear()
            elif outcome is Tried.LOST or not self.queue:
                self._pick_more(has_lost=outcome is Tried.LOST)
            if self.timetable.is_due("glance", GLANCE_SECONDS):
                break  # the loop has other duties too
        if self.full:
            self.queue.clear()
            self.pause = min(2 * self.pause, GLANCE_SECONDS)  # until there is room, which is told, or seen now and then
        return started

    def _try_job(self, experiment: str, job: str) -> Tried:
        board = self.place.board
        if board.outlook(experiment, job, self._mine) is not Outlook.READY or not self._can_ever(experiment, job):
            return Tried.SKIPPED
        resources = self.pool.take(self._needs[board.shape(experiment, job)])
        if resources is None:
            return Tried.NO_ROOM
        if self.place.session.is_suspect:
            self.keeper.look()
        spec = board.views[experiment].plan.spec(job)
        claimed = None if self.keeper.is_without else self.claiming.claim(spec, experiment, self._mine)
        if claimed is None:
            self.pool.give_back(resources)
            return Tried.LOST if self.claiming.has_lost else Tried.SKIPPED
        board.turn = experiment
        attempt = Attempt(experiment, spec, claimed.attempt, Path(), resources=resources)
        if self.running.start(attempt, claimed.resume_above):
            self.timetable.bring_forward("note", time.monotonic() + GLANCE_SECONDS)
            return Tried.STARTED
        return Tried.SKIPPED

    def _can_ever(self, experiment: str, job: str) -> bool:
        """Whether this worker could run a job at all; where not, it says so when it leaves."""
        board = self.place.board
        shape = board.shape(experiment, job)
        if shape not in self._needs:
            spec = board.views[experiment].plan.spec(job)
            self._needs[shape] = need_of(spec, has_gpus=bool(self.pool.gpus))
        need = self._needs[shape]
        if not self.pool.can_ever(need):
            board.ruled_out[shape] = _why_not(need)
            return False
        return True

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
