"""Which job to try next, over all experiments of a root, and which jobs are worth staying for."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from jobs import layout
from jobs.claims import History, backoff_seconds
from jobs.control import ControlLog
from jobs.plan import experiments
from jobs.queue import Skipped, Why, lesson
from jobs.records import Claimer
from jobs.store import FolderStore, Unlink
from jobs.view import ExperimentView
from orchestrator import undone
from orchestrator.holders import Holders, Key
from orchestrator.lanes import LIVE, READY, Lane, Level, Mark, Shape
from orchestrator.ledger import Knowledge, Ledger, history_of
from orchestrator.peers import Peers
from orchestrator.spreading import Crew, take_turns

SPREAD_WINDOW: Final = 300
_WIDEST_WINDOW: Final = 1 << 16
_STALE_FACTOR: Final = 20.0  # a worker lists for at most a twentieth of its time


class Outlook(Enum):
    """What a worker may expect of a job."""

    READY = "worth a claim now"
    LATER = "may become claimable: it runs, backs off, or waits for another"
    NEVER = "not by this worker: final, held, or it needs what will not come"


@dataclass(frozen=True, slots=True)
class Mine:
    """A worker's own sessions, lost ones too, and the (experiment, job, attempt) that it runs; `sid`: the current."""

    sids: frozenset[str]
    running: frozenset[tuple[str, str, int]]
    sid: str = ""


class Picked(NamedTuple):
    """Jobs to try, (experiment, job); `is_own`: all are this worker's own to try, as far as workers agree on that."""

    jobs: list[tuple[str, str]]
    is_own: bool


@dataclass
class Board:
    """Everything a worker knows of the jobs under a root.

    Attributes:
        views: by experiment.
        ended: sessions whose end was read.
        stopped: experiments that this worker no longer claims from.
        retry_at: monotonic seconds before which a job is left alone.
        ruled_out: shapes of jobs that this worker can never run, and why.
        window: how many of the next jobs are looked at when some are picked.
        turn: the experiment that was claimed from last: others of the same priority go before it.
    """

    root: Path
    store: FolderStore
    clock: Callable[[], float] = time.monotonic
    views: dict[str, ExperimentView] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    retry_at: dict[tuple[str, str], float] = field(default_factory=dict)
    ruled_out: dict[Shape, str] = field(default_factory=dict)
    failed_seen: dict[tuple[str, str, int], float] = field(default_factory=dict)
    control: ControlLog = field(default_factory=ControlLog)
    window: int = SPREAD_WINDOW
    turn: str = ""
    _ledgers: dict[str, Ledger] = field(default_factory=dict)
    _ended_noted: int = 0
    _refreshed: float = float("-inf")
    _cost: float = 0.0

    def __post_init__(self) -> None:
        self.holders, self.peers = Holders(self.store), Peers(self.store, self.clock)
        self._known = Knowledge(self.holders, self.control, self.ended, self.retry_at, self.clock)

    def refresh(self) -> bool:
        """List again what may have changed; whether anything did."""
        began = self.clock()
        changed = self.control.refresh(self.store)
        try:
            names = experiments(self.root)
        except OSError as error:  # it cannot be listed now: what is known stays
            self.store.tell(error, is_write=False)
            names = list(self.views)
        for name in names:
            if name not in self.views:
                self.follow(ExperimentView(self.store, name, self.clock))
            changed |= self.views[name].refresh()
        self._settle()
        for experiment, job, _ in self.holders.read():
            self.views[experiment].changed.add(job)
        self._refreshed = self.clock()
        self._cost = self._refreshed - began
        return changed

    def follow(self, view: ExperimentView) -> None:
        """Take in another experiment."""
        self.views[view.name] = view
        self._ledgers[view.name] = Ledger(view, self._known)

    @property
    def is_stale(self) -> bool:
        """Whether so long has passed since the last refresh that another is cheap beside it."""
        return self.clock() - self._refreshed >= _STALE_FACTOR * self._cost

    @property
    def is_new(self) -> bool:
        """Whether the last refresh is so young that another would show little else."""
        return self.clock() - self._refreshed < self._cost

    def look_for_peers(self) -> bool:
        """See who else is there, and who is over, now and then; whether others are there than before."""
        before = self.peers.open
        if not self.peers.look():
            return False
        for sid in self.peers.ended & self.open_claims().keys():  # so its jobs are the next, whoever has missed it
            self.ended.add(sid)
            if sid in self.peers.leases:
                self.store.answer(Unlink(layout.lease(sid)))  # should its holder be alive, this tells it
        return self.peers.open != before

    def _settle(self) -> None:
        if len(self.ended) != self._ended_noted:
            self._ended_noted = len(self.ended)
            for sid in self.holders.owners().keys() & self.ended:
                for experiment, job, _ in self.holders.keys_of(sid):
                    self.views[experiment].changed.add(job)
        for ledger in self._ledgers.values():
            ledger.settle()

    def open_claims(self) -> dict[str, Claimer]:
        """Sessions not known to be over that own a claim without an end."""
        self._settle()
        return {sid: owner for sid, owner in self.holders.owners().items() if sid not in self.ended}

    def history(self, experiment: str, job: str) -> History:
        """Everything that was read of a job's attempts."""
        return history_of(self.views[experiment], job)

    def outlook(self, experiment: str, job: str, mine: Mine) -> Outlook:
        """What to expect of a job. A claim of this worker's own that it does not run counts as left over."""
        self._settle()
        ledger = self._ledgers[experiment]
        lane, index = ledger.where(job)
        mark = lane.marks[index]
        if not self._may_claim(ledger) or lane.shape in self.ruled_out or mark not in LIVE:
            return Outlook.NEVER
        if mark == Mark.OPEN:
            return Outlook.READY if self._is_orphan(ledger, job, mine) else Outlook.LATER
        attempt = ledger.open.get(job, 0)
        is_mine = attempt and (experiment, job, attempt) in mine.running
        return Outlook.READY if mark in READY and not is_mine else Outlook.LATER

    def _may_claim(self, ledger: Ledger) -> bool:
        return ledger.view.name not in self.stopped and not ledger.view.plan.problem

    def _is_orphan(self, ledger: Ledger, job: str, mine: Mine) -> bool:
        """Whether a job's open attempt is this worker's, and does not run."""
        key = (ledger.view.name, job, ledger.open.get(job, 0))
        owner = self.holders.who.get(key)
        return owner is not None and owner.sid in mine.sids and key not in mine.running

    def is_worth_staying(self, mine: Mine) -> bool:
        """Whether some unfinished job could still become this worker's to run."""
        self._settle()
        self._mark_orphans(mine)
        return any(lane.has(*LIVE) for _, lane in self._lanes())

    @property
    def in_view(self) -> int:
        """How many jobs could be claimed now."""
        return sum(lane.count(*READY) for _, lane in self._lanes())

    def _lanes(self) -> Iterator[tuple[Ledger, Lane]]:
        """What this worker may claim from."""
        for ledger in self._ledgers.values():
            if self._may_claim(ledger):
                yield from ((ledger, lane) for lane in ledger.lanes.values() if lane.shape not in self.ruled_out)

    def shape(self, experiment: str, job: str) -> Shape:
        """What a job asks for."""
        return self._ledgers[experiment].where(job)[0].shape

    def candidates(self, mine: Mine, without: Collection[Shape] = ()) -> Picked:
        """The jobs to try next: some of those that go before all others.

        Priority first, then what an interrupted attempt has left, then plan order; experiments take turns.

        Args:
            mine: this worker's sessions and attempts.
            without: shapes for which there is no room now.
        """
        self._settle()
        self._mark_orphans(mine)
        lanes = [(ledger, lane) for ledger, lane in self._lanes() if lane.shape not in without]
        level = min((level for _, lane in lanes if (level := lane.first_level())), default=None)
        if level is None:
            return Picked([], is_own=True)
        by_experiment: dict[str, list[Lane]] = {}
        for ledger, lane in lanes:
            by_experiment.setdefault(ledger.view.name, []).append(lane)
        names = sorted(by_experiment, key=lambda name: (name <= self.turn, name))
        crew = Crew(mine.sid, self.peers.open - mine.sids - self.ended - {mine.sid})
        shares = [crew.share(self._next(by_experiment[name], level)) for name in names]
        queues = [[(name, job) for job in share.jobs] for name, share in zip(names, shares, strict=True)]
        return Picked(list(take_turns(queues)), is_own=all(share.is_own for share in shares))

    def _next(self, lanes: list[Lane], level: Level) -> list[str]:
        """An experiment's next jobs."""
        ready = heapq.merge(
            *([(lane.places[i], lane.jobs[i]) for i in lane.ready(level, self.window)] for lane in lanes)
        )
        return [job for _, job in islice(ready, self.window)]

    def _mark_orphans(self, mine: Mine) -> None:
        """Claims of this worker's own that it does not run are ready, for it alone."""
        for sid in mine.sids:
            for experiment, job, _ in self.holders.keys_of(sid):
                ledger = self._ledgers[experiment]
                if job not in ledger.view.plan.lines:
                    continue
                lane, index = ledger.where(job)
                if lane.marks[index] in {Mark.OPEN, Mark.LEFT}:
                    lane.marks[index] = Mark.LEFT if self._is_orphan(ledger, job, mine) else Mark.OPEN

    def widen(self) -> bool:
        """Jobs are so short that a share is used up before the next look: take it from more; whether there are more."""
        if self.window >= min(self.in_view, _WIDEST_WINDOW):
            return False
        self.window = min(2 * self.window, _WIDEST_WINDOW)
        return True

    def narrow(self) -> None:
        """A share outlasted the time between two looks: keep closer to the plan's order."""
        self.window = max(self.window // 2, SPREAD_WINDOW)

    def learn(self, skipped: Skipped) -> None:
        """Keep what a claim that came to nothing has read, and for how long to leave its job alone."""
        experiment, job = skipped.job.experiment, skipped.job.id
        view = self.views[experiment]
        view.note(job, lesson(skipped).names)
        for number, record in skipped.ends.items():
            view.keep_end(job, number, record)
        if skipped.why is Why.BACKOFF:
            self.leave_alone(experiment, job, self._over_at(experiment, job, self.history(experiment, job)))
        elif skipped.why in {Why.CLOUDED, Why.TRIED, Why.RUNNING}:
            self.leave_alone(experiment, job, self.clock() + 1.0)

    def hold(self, key: Key, owner: Claimer) -> None:
        """An open claim is this worker's own."""
        self._settle()
        self.holders.note(key, owner)

    def leave_alone(self, experiment: str, job: str, until: float) -> None:
        """Do not try a job before that time."""
        self.retry_at[experiment, job] = until
        self.views[experiment].changed.add(job)

    def is_backoff_over(self, experiment: str, job: str, history: History) -> bool:
        """Whether the wait after the newest failure is over, counted from when this worker first saw its end."""
        return self._over_at(experiment, job, history) <= self.clock()

    def _over_at(self, experiment: str, job: str, history: History) -> float:
        key = (experiment, job, max(history.ends, default=0))
        return self.failed_seen.setdefault(key, self.clock()) + backoff_seconds(history)

    def could_not_run(self) -> list[dict[str, Any]]:
        """How many jobs of which experiment this worker has to leave to others, and why."""
        self._settle()
        return undone.could_not_run(self._ledgers.values(), self.ruled_out)

    def problems(self) -> list[str]:
        """What cannot be read of plans and commands, and what to do about it."""
        found = [(self.control.problem, self.control.remedy)]
        found += [(view.plan.problem, view.plan.remedy) for view in self.views.values()]
        return [f"{problem}; {remedy}" for problem, remedy in found if problem]

    def left_undone(self) -> list[str]:
        """What this worker leaves to others, or to a person: a line each."""
        self._settle()
        return undone.lines(self._ledgers.values(), self.ruled_out) + self.problems()
