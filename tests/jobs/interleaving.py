"""Workers, operators and false alarms over one folder in memory, one request a turn, in any order.

Whoever drives a world draws small numbers; each turn they choose who moves and what goes wrong. After each turn the
promises of the queue are checked against the folder and against what was run.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from jobs import layout
from jobs.claims import Names, Policy, Verdict
from jobs.queue import AddMarker, Claim, Claimed, Job, Me, Publish, Published, Skipped, ask_again, folder_name, lesson
from jobs.records import Claimer, End, EndRecord
from jobs.sessions import LookAtOwn, Standing, Tickets, tickets
from jobs.store import Finished, List, Make, Operation, Put, Reply, Request, Unlink, carry_out
from jobs.verbs import Cancel, Requeue
from tests.jobs.memory_store import Fault
from tests.jobs.promises import EXPERIMENT, MAX_ATTEMPTS, Folder, promise

SLOTS: Final = 2
_ENDS: Final = (End.DONE, End.DONE, End.DONE, End.FAILED, End.OOM, End.NAN, End.PREEMPTED)


@lru_cache(maxsize=64)
def tickets_of(claimer: Claimer) -> Tickets:
    return tickets(claimer)[0]


Draw = Callable[[int], int]  # a number below its argument


@dataclass
class Worker:
    """What a worker remembers.

    Attributes:
        runs: attempts that a slot runs (None), or whose end is on its way.
        known, names: ends read, and the newest listing of each job.
        unknown: claims whose put may have taken effect.
        request, operation, finish: what is under way.
    """

    claimer: Claimer
    past: frozenset[str] = frozenset()
    tried: set[tuple[str, str, int]] = field(default_factory=set)
    runs: dict[tuple[str, int], Publish | None] = field(default_factory=dict)
    known: dict[str, dict[int, EndRecord]] = field(default_factory=dict)
    names: dict[str, Names] = field(default_factory=dict)
    unknown: list[tuple[Claim, int]] = field(default_factory=list)
    operation: Operation[Any] | None = None
    request: Request | None = None
    finish: Callable[[Any], None] | None = None
    fresh_void: int = 0

    @property
    def me(self) -> Me:
        paths = tickets_of(self.claimer)
        running = {(EXPERIMENT, job, number) for job, number in self.runs}
        return Me(self.claimer.sid, paths.claim, paths.released, paths.evicted, self.past, running, self.tried)

    def note(self, job: str, names: Names) -> None:
        self.names[job] = self.names.get(job, Names()).merged(names)


@dataclass
class World:
    """A folder, and all who use it.

    Args:
        draw: decides.
        jobs: how many jobs; workers: how many workers at a time.
        claim_type, publish_type: what workers claim and publish with.
    """

    draw: Draw
    jobs: int = 1
    workers: int = 2
    has_faults: bool = True
    claim_type: type[Claim] = Claim
    publish_type: type[Publish] = Publish
    folder: Folder = field(default_factory=Folder)
    alive: list[Worker] = field(default_factory=list)
    ran: list[tuple[str, int]] = field(default_factory=list)
    accepted: list[tuple[str, int]] = field(default_factory=list)
    commands: list[tuple[Operation[Any], Request]] = field(default_factory=list)
    births: int = 0
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.store = self.folder.store
        self.policy = Policy(MAX_ATTEMPTS)
        self.ids = [f"job-{number}" for number in range(self.jobs)]
        for _ in range(self.workers):
            self.open_worker()

    # --- turns ------------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """One request of one worker, one step of a command, or an accident."""
        who = self.draw(8)
        if who == 0 or not self.alive:
            self._accident()
        elif who <= 2 and self.commands:
            self._command()
        else:
            self._work(self.alive[who % len(self.alive)])
        self.folder.check(self.ids)

    def _accident(self) -> None:
        what = self.draw(12)
        if what == 0 and self.alive:
            self.alive.pop(self.draw(len(self.alive)))
        elif what <= 2 and self.births < 6:
            self.open_worker()
        elif what <= 5:
            self._evict_some_session()
        elif len(self.commands) < 2:
            self._order(self.ids[self.draw(len(self.ids))])

    def _order(self, job: str) -> None:
        """Somebody cancels or requeues a job."""
        temp = layout.command_temp(f"{next(self._ids)}")
        fresh = (None, True, False)[self.draw(3)]
        command = Cancel(EXPERIMENT, job, temp) if self.draw(2) else Requeue(EXPERIMENT, job, temp, fresh=fresh)
        self._give(command, None)

    def _command(self) -> None:
        command, request = self.commands.pop(self.draw(len(self.commands)))
        self._give(command, self.store.answer(request, self._fault()))

    def _give(self, command: Operation[Any], reply: Reply) -> None:
        outcome = command.step(reply)
        if not isinstance(outcome, Finished):
            self.commands.append(outcome)

    def _evict_some_session(self) -> None:
        """A watcher may take any session for dead, at any moment, its own worker's neighbour or a live one."""
        worker = self.alive[self.draw(len(self.alive))] if self.alive else None
        if worker is not None:
            other = self.alive[self.draw(len(self.alive))]
            self.store.answer(Put(worker.me.evicted, layout.session_end(other.claimer.sid)))

    def _work(self, worker: Worker) -> None:
        if worker.request is None:
            self._begin(worker)
            return
        fault = self._fault()
        self._check_before(worker, worker.request)
        reply = self.store.answer(worker.request, fault)
        self._go_on(worker, reply)

    def _fault(self) -> Fault | None:
        number = self.draw(24) if self.has_faults else 24
        return list(Fault)[number] if number < len(Fault) else None

    def _go_on(self, worker: Worker, reply: Reply) -> None:
        assert worker.operation is not None
        assert worker.finish is not None
        if isinstance(worker.request, List) and isinstance(worker.operation, Claim):
            worker.fresh_void = self.folder.newest_fresh_void(worker.operation.job.id)
        outcome = worker.operation.step(reply)
        if isinstance(outcome, Finished):
            finish, worker.operation, worker.request, worker.finish = worker.finish, None, None, None
            finish(outcome.result)
        else:
            worker.operation, worker.request = outcome

    def _start(self, worker: Worker, operation: Operation[Any], finish: Callable[[Any], None]) -> None:
        worker.operation, worker.finish = operation, finish
        self._go_on(worker, None)

    # --- what workers do --------------------------------------------------------------------------------------------

    def open_worker(self) -> Worker:
        self.births += 1
        worker = Worker(self._open_session())
        self.alive.append(worker)
        return worker

    def _open_session(self) -> Claimer:
        who = Claimer(f"{next(self._ids):016x}", "host", "boot", "ns", 1, 1, 90.0)
        for make in tickets(who)[1]:
            self.store.answer(make)
        return who

    def _begin(self, worker: Worker) -> None:
        """A worker has nothing under way: it lists, claims, ends an attempt, or looks at its own session."""
        job = self.ids[self.draw(len(self.ids))]
        what = self.draw(8)
        if what == 0:
            self._start(worker, LookAtOwn(worker.claimer.sid), lambda standing: self._stand(worker, standing))
        elif what <= 2 and worker.runs:
            self._end_one(worker)
        elif what == 3:
            self._list_some(worker, job)
        elif worker.unknown:
            claim, number = worker.unknown.pop(0)
            again = ask_again(claim, number)
            self._start(worker, again, lambda outcome: self._claimed(worker, again, outcome))
        elif len(worker.runs) < SLOTS:
            self._claim(worker, job)

    def _list_some(self, worker: Worker, job: str) -> None:
        """A listing is not atomic: it may miss any name that was made while it was taken."""
        seen = self.folder.listing(job)
        mask = self.draw(16) if self.draw(3) == 0 else 15
        kept = [frozenset(n for n in part if mask >> (n + place) % 4 & 1) for place, part in enumerate(_parts(seen))]
        worker.note(job, Names(*kept))

    def _claim(self, worker: Worker, job: str) -> None:
        names, known = worker.names.get(job, Names()), worker.known.get(job, {})
        claim = self.claim_type(worker.me, Job(EXPERIMENT, job, self.policy), names, dict(known))
        self._start(worker, claim, lambda outcome: self._claimed(worker, claim, outcome))

    def _claimed(self, worker: Worker, claim: Claim, outcome: Claimed | Skipped) -> None:
        job, taught = claim.job.id, lesson(outcome)
        worker.note(job, taught.names)
        if taught.tried:
            worker.tried.add((EXPERIMENT, job, taught.tried))
        if isinstance(outcome, Claimed):
            self._check_run(worker, outcome)
            worker.runs[job, outcome.attempt] = None
            self.ran.append((job, outcome.attempt))
            return
        worker.known.setdefault(job, {}).update(outcome.ends)
        if taught.asks_again:
            worker.unknown.append((claim, outcome.attempt))
        if outcome.verdict is Verdict.DONE:
            top = max(outcome.ends)
            marker = AddMarker(EXPERIMENT, job, top, folder_name(outcome.ends[top]))
            self._start(worker, marker, lambda _: None)

    def _end_one(self, worker: Worker) -> None:
        job, number = list(worker.runs)[self.draw(len(worker.runs))]
        publish = worker.runs[job, number]
        if publish is None:
            publish = self._publish(worker, job, number, _ENDS[self.draw(len(_ENDS))])
            worker.runs[job, number] = publish
        self._start(worker, publish, lambda outcome: self._published(worker, (job, number), outcome))

    def _publish(self, worker: Worker, job: str, number: int, kind: End) -> Publish:
        sid = worker.claimer.sid
        folder, temp = f"{number:04d}-{sid}", layout.ticket(sid, f"{next(self._ids)}")
        body = {"sid": sid, "folder": f"{layout.job_folder(EXPERIMENT, job)}/{folder}"} if kind is End.DONE else {}
        self.store.answer(Make(temp, EndRecord(kind, body).encode()))
        is_done = kind is End.DONE
        return self.publish_type(EXPERIMENT, job, number, temp, folder if is_done else None, is_done)

    def _published(self, worker: Worker, key: tuple[str, int], outcome: Published) -> None:
        if outcome is Published.UNKNOWN:
            return
        del worker.runs[key]
        if outcome is Published.ACCEPTED:
            promise(key not in self.accepted, f"two ends of {key} were accepted")
            self.accepted.append(key)

    def _stand(self, worker: Worker, standing: Standing) -> None:
        if standing is Standing.LOST:
            lost = worker.claimer.sid
            worker.claimer, worker.past, worker.tried = self._open_session(), worker.past | {lost}, set()

    # --- what is checked ---------------------------------------------------------------------------------------------

    def _check_before(self, worker: Worker, request: Request) -> None:
        """A worker removes private files only, ends nothing that it still runs, and evicts nobody of a good session."""
        if isinstance(request, Unlink):
            promise(request.path.startswith(f"{layout.TMP}/"), f"{request.path} was removed")
        if not isinstance(request, Put) or request.src not in {worker.me.evicted, worker.me.released}:
            return
        register = layout.parse_register(request.dst.rpartition("/")[2])
        if register is not None and register.suffix == ".end":
            key = (register.job, register.attempt)
            promise(key not in worker.runs, f"a worker ended {key}, which it runs")
            if request.src == worker.me.evicted:
                self.folder.check_eviction(*key)

    def _check_run(self, worker: Worker, claimed: Claimed) -> None:
        key = (claimed.job.id, claimed.attempt)
        promise(key not in self.ran, f"{key} is run twice")
        sids = {worker.claimer.sid, *worker.past}
        self.folder.check_run(claimed, [layout.ticket(sid, "claim") for sid in sids], worker.fresh_void)

    # --- the way out ------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """From here on, all others gone: a live worker finishes every job, or finds it final."""
        for worker in self.alive:
            self.store.answer(Put(worker.me.evicted, layout.session_end(worker.claimer.sid)))
        self._end_lost_sessions()
        self.alive, self.commands, self.has_faults = [], [], False
        survivor = self.open_worker()
        for job in self.ids:
            rounds = 2 * len(self.folder.listing(job).ends) + 2 * MAX_ATTEMPTS + 6
            promise(any(self._try(survivor, job) for _ in range(rounds)), f"{job} can be finished by nobody")
            self.folder.check_result(job)

    def _end_lost_sessions(self) -> None:
        """Sessions of workers that crashed fall silent, and some watcher ends them."""
        watcher = self._open_session()
        for name in list(self.store.folders[layout.TMP]):
            sid = name.partition(".")[0]
            self.store.answer(Put(tickets_of(watcher).evicted, layout.session_end(sid)))

    def _try(self, worker: Worker, job: str) -> bool:
        """One round of the survivor; whether the job is final."""
        worker.note(job, self.folder.listing(job))
        outcome: Claimed | Skipped = carry_out(
            self.claim_type(worker.me, Job(EXPERIMENT, job, self.policy), worker.names[job], {}), self.store
        )
        if isinstance(outcome, Claimed):
            if outcome.attempt > 1:
                worker.fresh_void = self.folder.newest_fresh_void(job)
            self._claimed(worker, Claim(worker.me, outcome.job, Names()), outcome)
            del worker.runs[job, outcome.attempt]
            publish = self._publish(worker, job, outcome.attempt, End.DONE)
            promise(carry_out(publish, self.store) is Published.ACCEPTED, f"{job}: a lone worker was superseded")
            self.folder.check(self.ids)
            return True
        if outcome.verdict is Verdict.DONE:
            top = max(outcome.ends)
            carry_out(AddMarker(EXPERIMENT, job, top, folder_name(outcome.ends[top])), self.store)
        if outcome.verdict is not None:
            self.folder.check_verdict(job, outcome.verdict)
        return outcome.verdict is not None


def _parts(names: Names) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
    return names.claims, names.ends, names.voids
