"""Which job to try next, over all experiments of a root, and which jobs are worth staying for."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from jobs import layout
from jobs.claims import NOTHING, History, Names, Verdict, backoff_seconds, final_verdict, is_left_over
from jobs.plan import experiments
from jobs.queue import Skipped, Why, lesson
from jobs.records import Claimer, decode_claimer
from jobs.store import FolderStore, Look, Read, Stamp
from jobs.view import ExperimentView, policy_of, spread

SPREAD_WINDOW = 300


class Outlook(Enum):
    """What a worker may expect of a job."""

    READY = "worth a claim now"
    LATER = "may become claimable: it runs, backs off, or waits for another"
    NEVER = "not by this worker: final, or it needs what will not come"


@dataclass(frozen=True, slots=True)
class Mine:
    """A worker's own sessions, lost ones too, and the (experiment, job, attempt) that it runs."""

    sids: frozenset[str]
    running: frozenset[tuple[str, str, int]]


@dataclass
class Board:
    """Everything a worker knows of the jobs under a root.

    Attributes:
        views: by experiment.
        holders: (experiment, job, attempt) -> who claimed it; written once, so kept.
        claimers: inode of a ticket -> whose it is.
        ended: sessions whose end was read.
        stopped: experiments that this worker no longer claims from.
        retry_at: monotonic seconds before which a job is left alone.
    """

    root: Path
    store: FolderStore
    source: random.Random
    clock: Callable[[], float] = time.monotonic
    views: dict[str, ExperimentView] = field(default_factory=dict)
    holders: dict[tuple[str, str, int], Claimer] = field(default_factory=dict)
    claimers: dict[int, Claimer] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    retry_at: dict[tuple[str, str], float] = field(default_factory=dict)
    unfit: dict[tuple[str, str], str] = field(default_factory=dict)
    failed_seen: dict[tuple[str, str, int], float] = field(default_factory=dict)

    def refresh(self) -> bool:
        """List again what may have changed; whether anything did."""
        changed = False
        try:
            names = experiments(self.root)
        except OSError as error:  # it cannot be listed now: what is known stays
            self.store.tell(error, is_write=False)
            names = list(self.views)
        for name in names:
            if name not in self.views:
                self.views[name] = ExperimentView(self.store, name, self.clock)
            changed |= self.views[name].refresh()
        self._read_holders()
        return changed

    def _read_holders(self) -> None:
        for experiment, job, names in self._all():
            top = names.top_claim
            key = (experiment, job, top)
            if top and top not in names.ends and key not in self.holders and (who := self._read_holder(key)):
                self.holders[key] = who

    def _read_holder(self, key: tuple[str, str, int]) -> Claimer | None:
        """Who claimed an attempt; a session's ticket is opened once, then known by its inode.

        All claims of a session are names of one file, which stays as long as one of them does. An NFS 4 server lends to
        whoever opens a file for reading the promise that it will not change, and calls that back before the file gets
        its next name: a host that dies with such a promise would hold up the session's next claim for over a minute.
        """
        path = layout.claim(*key)
        stamp = self.store.answer(Look(path))
        if not isinstance(stamp, Stamp):
            return None
        if stamp.inode not in self.claimers:
            data = self.store.answer(Read(path))
            try:
                self.claimers[stamp.inode] = decode_claimer(data if isinstance(data, bytes) else b"")
            except ValueError:  # not a claim of ours: whoever wrote it has to mend it
                return None
        return self.claimers[stamp.inode]

    def _all(self) -> Iterator[tuple[str, str, Names]]:
        for experiment, view in self.views.items():
            for job, names in view.names.items():
                yield experiment, job, names

    def open_claims(self) -> dict[str, Claimer]:
        """Sessions not known to be over that own a claim without an end."""
        owners: dict[str, Claimer] = {}
        for experiment, job, names in self._all():
            top = names.top_claim
            if top and top not in names.ends and (owner := self.holders.get((experiment, job, top))):
                owners[owner.sid] = owner
        return {sid: owner for sid, owner in owners.items() if sid not in self.ended}

    def history(self, experiment: str, job: str) -> History:
        view = self.views[experiment]
        names = view.names.get(job, NOTHING)
        kinds = {number: record.kind for number, record in view.ends.get(job, {}).items()}
        return History(names.top_claim, kinds, names.voids)

    def outlook(self, experiment: str, job: str, mine: Mine) -> Outlook:
        """What to expect of a job. A claim of this worker's own that it does not run counts as left over."""
        if (experiment, job) in self.unfit or experiment in self.stopped or self._is_final(experiment, job):
            return Outlook.NEVER
        if (needs := self._needs(experiment, job)) is not Outlook.READY:
            return needs
        is_backing_off = self.retry_at.get((experiment, job), 0.0) > self.clock()
        return Outlook.LATER if is_backing_off or self._is_held(experiment, job, mine) else Outlook.READY

    def _is_final(self, experiment: str, job: str) -> bool:
        """Whether what was read rules out another attempt; False where the top end was not read yet."""
        view = self.views[experiment]
        if view.has_marker(job):
            return True
        history = self.history(experiment, job)
        is_read = view.names.get(job, NOTHING).top in history.ends
        return is_read and final_verdict(history, policy_of(view.plan.lines[job])[0]) is not None

    def _is_held(self, experiment: str, job: str, mine: Mine) -> bool:
        """Whether the top attempt is open, and its session not known to be over."""
        view = self.views[experiment]
        names = view.names.get(job, NOTHING)
        top = names.top_claim
        if not top or top in names.ends or top in view.ends.get(job, {}):
            return False
        if (experiment, job, top) in mine.running:
            return True
        owner = self.holders.get((experiment, job, top))
        return owner is None or (owner.sid not in self.ended and owner.sid not in mine.sids)

    def _needs(self, experiment: str, job: str) -> Outlook:
        view = self.views[experiment]
        line = view.plan.lines[job]
        if '"needs":' not in line:
            return Outlook.READY
        worst = Outlook.READY
        for other in json.loads(line.partition("\t")[2]).get("needs", ()):
            state = self._need(view, other)
            if state is Outlook.NEVER:
                return state
            worst = state if state is Outlook.LATER else worst
        return worst

    def _need(self, view: ExperimentView, other: str) -> Outlook:
        """READY: it is done; NEVER: it failed for good, was cancelled, or is not planned."""
        if other not in view.plan.lines:
            return Outlook.NEVER
        names = view.names.get(other, NOTHING)
        if view.has_marker(other):
            return Outlook.READY
        history = self.history(view.name, other)
        if names.top and names.top not in history.ends:
            return Outlook.LATER
        verdict = final_verdict(history, policy_of(view.plan.lines[other])[0])
        if verdict is None:  # it is to be tried, if what it needs itself can come
            return Outlook.NEVER if self._needs(view.name, other) is Outlook.NEVER else Outlook.LATER
        return Outlook.READY if verdict is Verdict.DONE else Outlook.NEVER

    def candidates(self, mine: Mine) -> list[tuple[str, str]]:
        """Jobs worth a claim: priority first, then what an evicted or released attempt has left, then plan order."""
        ranked: list[tuple[int, int, int, tuple[str, str]]] = []
        for experiment, view in self.views.items():
            for place, job in enumerate(spread(view.plan.order, SPREAD_WINDOW, self.source)):
                if self.outlook(experiment, job, mine) is not Outlook.READY:
                    continue
                names = view.names.get(job, NOTHING)
                is_open = bool(names.top_claim) and names.top_claim not in names.ends
                left = is_open or is_left_over(self.history(experiment, job))
                ranked.append((-policy_of(view.plan.lines[job])[1], not left, place, (experiment, job)))
        ranked.sort()
        return [job for *_, job in ranked]

    def is_worth_staying(self, mine: Mine) -> bool:
        """Whether some unfinished job could still become this worker's to run."""
        return any(
            self.outlook(experiment, job, mine) is not Outlook.NEVER
            for experiment, view in self.views.items()
            for job in view.plan.order
        )

    def learn(self, skipped: Skipped) -> None:
        """Keep what a claim that came to nothing has read, and for how long to leave its job alone."""
        experiment, job = skipped.job.experiment, skipped.job.id
        self.views[experiment].note(job, lesson(skipped).names)
        for number, record in skipped.ends.items():
            self.views[experiment].keep_end(job, number, record)
        if skipped.why is Why.BACKOFF:
            self.retry_at[(experiment, job)] = self._over_at(experiment, job, self.history(experiment, job))
        elif skipped.why in {Why.CLOUDED, Why.TRIED, Why.RUNNING}:
            self.retry_at[(experiment, job)] = self.clock() + 1.0

    def is_backoff_over(self, experiment: str, job: str, history: History) -> bool:
        """Whether the wait after the newest failure is over, counted from when this worker first saw its end."""
        return self._over_at(experiment, job, history) <= self.clock()

    def _over_at(self, experiment: str, job: str, history: History) -> float:
        key = (experiment, job, max(history.ends, default=0))
        return self.failed_seen.setdefault(key, self.clock()) + backoff_seconds(history)
