"""The worker: one session over all experiments of a root; it picks, claims, runs, publishes and watches the others."""

from __future__ import annotations

import contextlib
import os
import random
import select
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from jobs.plan import experiments
from jobs.queue import Claimed
from jobs.records import End
from jobs.sessions import poll_seconds
from jobs.store import FolderStore
from orchestrator.attempt import Attempt, Ending
from orchestrator.claiming import Claiming
from orchestrator.ends import Ends
from orchestrator.gpus import Gpu
from orchestrator.keeping import Keeper, first_session
from orchestrator.picking import Board, Mine
from orchestrator.place import Place
from orchestrator.pool import Need, Pool, need_of
from orchestrator.publishing import Outbox
from orchestrator.running import Running
from orchestrator.session import times_from_environment
from orchestrator.vigil import Vigil
from orchestrator.watching import Watcher
from orchestrator.weather import Weather

_SHORTEST_PAUSE: Final = 0.05
_GLANCE_SECONDS: Final = 1.0
_NOTE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker works.

    Attributes:
        exit_when_idle: leave as soon as nothing can be claimed now.
        keep_alive: stay also when nothing is left to do.
        max_jobs: leave after that many attempts; None: no bound.
        say: what the worker tells its user, a line at a time.
    """

    exit_when_idle: bool = False
    keep_alive: bool = False
    max_jobs: int | None = None
    say: Callable[[str], None] = print


class Worker:
    """See the module's docstring.

    Args:
        root: the shared folder.
        gpus: GPUs to use; slots: CPU slots.
        options: how to work.
    """

    def __init__(self, root: Path, gpus: list[Gpu], slots: int, options: Options) -> None:
        root = root.absolute()
        times_from_environment()  # a mistake there is told before anything is written
        self.options = options
        say = _tolerant(options.say)
        weather = Weather(say)
        store = FolderStore(root, on_trouble=weather.hear)
        board = Board(root, store, random.Random(os.urandom(8)))  # noqa: S311
        self.place = Place(store, board, first_session(store, say), weather, say)
        self.keeper = Keeper(self.place)
        self.vigil = Vigil(say)
        self.scratch = Path(tempfile.mkdtemp(prefix="orch-worker-"))
        self.pool = Pool(gpus, slots, self.scratch)
        self.outbox = Outbox(store)
        self.ends = Ends(self.place, self.outbox)
        self.running = Running(self.place, self.pool, self.ends)
        self.claiming = Claiming(self.place)
        self.watcher = Watcher(store, self.place.session.claimer)
        self.queue: list[tuple[str, str]] = []
        self.signals = 0
        self.is_leaving = False
        self.pause = _SHORTEST_PAUSE
        self.due: dict[str, float] = {}
        self.noted = 0.0

    # --- from start to end ------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Work until nothing is left, or until told to stop; the exit code."""
        try:
            self._introduce()
            self.vigil.start()
            with self._signals():
                self._loop()
        finally:
            self.vigil.stop()
            self._leave()
        return 1 if self.ends.final_failures or self.ends.broken else 0

    def _introduce(self) -> None:
        gpus = ", ".join(f"{gpu.index}: {gpu.name}" for gpu in self.pool.gpus) or "none"
        where = f"{socket.gethostname()} pid {os.getpid()}"
        root = self.place.store.root
        sid = self.place.session.sid
        self.place.say(f"worker {sid} on {where}: GPUs {gpus}; {self.pool.slots} CPU slots; root {root}")
        with contextlib.suppress(OSError):  # the first look at the board tells
            if not experiments(root):
                self.place.say(f"nothing is planned in {root}; run orch plan first")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT, SIGTERM and a lost terminal drain; a second one stops now."""
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_out, False)
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means: stay when the terminal goes
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wake_in)
            os.close(self._wake_out)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.signals += 1
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_out, b"!")
        if self.signals == 1:
            text = f"{signal.Signals(number).name}: no new jobs; running ones save and are released (again: stop now)"
        else:
            text = "stopping now"
        with contextlib.suppress(OSError):
            os.write(2, (text + "\n").encode())

    def _leave(self) -> None:
        """On every way out: end what runs, end the attempts, then the session, before its lease is released."""
        attempts = self.running.attempts
        with contextlib.ExitStack() as steps:  # last in, first done, each whatever becomes of the one before
            steps.callback(self._say_goodbye)
            steps.callback(shutil.rmtree, self.scratch, ignore_errors=True)
            steps.callback(self.place.session.close)
            steps.callback(self.ends.retry, at_once=True)
            for attempt in attempts:
                steps.callback(self.running.release, attempt)
            steps.callback(self.pool.close)

    def _say_goodbye(self) -> None:
        counts = ", ".join(f"{count} {kind.value}" for kind, count in sorted(self.ends.counts.items())) or "nothing"
        self.place.say(f"worker {self.place.session.sid} leaves: {counts}")
        for job in self.ends.final_failures:
            self.place.say(f"failed for good: {job}")
        reasons = list(self.place.board.unfit.values())
        for reason in sorted(set(reasons)):
            self.place.say(f"{reasons.count(reason)} jobs could not run here: {reason}")

    # --- the loop ---------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        told = 0
        while True:
            self.vigil.turn()
            changed = self.running.collect()
            self.ends.retry()
            if self.signals > told:
                told = self.signals
                number = signal.SIGTERM if told == 1 else signal.SIGKILL
                self.running.tell_all(number, "the worker was told to stop")
            self.running.enforce_deadlines()
            self._keep_session()
            if self._is_over():
                return
            claimed = not self.signals and self._claim_some()
            self.pause = _SHORTEST_PAUSE if changed or claimed else self.pause
            if not claimed:
                self._wait()

    def _is_over(self) -> bool:
        if self.pool.running or (self._has_unsent and self.signals < 2):
            return False
        return bool(self.signals) or self.is_leaving or self._is_at_limit()

    @property
    def _has_unsent(self) -> bool:
        return bool(self.outbox.pending or self.running.over)

    def _is_at_limit(self) -> bool:
        return self.options.max_jobs is not None and self.claiming.count >= self.options.max_jobs

    def _is_due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self.due.get(what, 0.0):
            return False
        self.due[what] = now + seconds
        return True

    def _wait(self) -> None:
        """Until a runner says something, a signal arrives, or something falls due."""
        now = time.monotonic()
        has_room = self.pool.has_room and not self.signals
        pause = min(self.pause, _GLANCE_SECONDS) if has_room else _GLANCE_SECONDS
        wake = min(now + pause, self.outbox.next_due(), self.running.next_deadline(), self._next_try(now))
        pipes = [sign for runner in self.pool.running for sign in runner.signs]
        ready, _, _ = select.select([*pipes, self._wake_in], [], [], max(0.0, wake - now))
        if self._wake_in in ready:
            os.read(self._wake_in, 64)

    def _next_try(self, now: float) -> float:
        """When to try the folder again; at once would be a loop that waits for nothing."""
        return max(self.place.weather.next_due(), now + _SHORTEST_PAUSE)

    # --- the session ------------------------------------------------------------------------------------------------

    @property
    def _poll(self) -> float:
        return poll_seconds(self.place.session.claimer.lease_seconds, 1)

    def _keep_session(self) -> None:
        """Look at one's own session and attempts at each beat, write the note, and watch the others."""
        session = self.place.session
        if self._is_due("beat", session.beat_seconds) or session.is_suspect:
            self._look_at_own()
            self.running.stop_what_was_ended()
        elif self.keeper.is_without and self.place.is_fair:
            self._look_at_own()
        if self._is_due("note", min(session.beat_seconds, _NOTE_SECONDS)):
            self.noted = time.monotonic()
            session.write_note(self._note())
        if self._is_due("tally", _NOTE_SECONDS):
            self._say_tally()
        if self._is_due("watch", _GLANCE_SECONDS):
            self._watch()

    def _look_at_own(self) -> None:
        self.keeper.look()
        self.watcher.me = self.place.session.claimer

    def _watch(self) -> None:
        """A worker that claims nothing now watches too, or what a dead session left would wait a lease longer."""
        is_claiming = self.pool.has_room and not self.signals and not self._is_at_limit()
        if not is_claiming and self._is_due("refresh", self._poll):
            self.place.board.refresh()
            self.queue = []
        owners = self.place.board.open_claims()
        for sid in {self.place.session.sid, *self.place.session.past}:
            owners.pop(sid, None)
        ended = self.watcher.look(owners, self.place.session.tickets.evicted)
        if ended:
            self.place.board.ended |= ended
            self.queue = []
            self.due["refresh"] = 0.0
            self.pause = _SHORTEST_PAUSE

    def _say_tally(self) -> None:
        """Short jobs are not told one by one: say now and then how many there were."""
        if self.ends.untold:
            done = self.ends.counts.get(End.DONE, 0)
            self.place.say(f"{done} done by this worker, {len(self.queue)} in view")
        self.ends.untold = 0

    def _note(self) -> dict[str, Any]:
        who = self.place.session.claimer
        return {
            "session": who.sid,
            "host": who.host,
            "pid": who.pid,
            "lease_seconds": who.lease_seconds,
            "gpus": [gpu.index for gpu in self.pool.gpus],
            "slots": self.pool.slots,
            "jobs": self.running.notes(),
            "waits_for": sorted({problem for problem in self._problems() if problem}),
        }

    def _problems(self) -> Iterator[str]:
        yield self.place.weather.problem
        yield from (pending.problem for pending in self.outbox.pending)

    # --- claiming ---------------------------------------------------------------------------------------------------

    @property
    def _mine(self) -> Mine:
        session = self.place.session
        running = {attempt.key for attempt in self.running.attempts}
        on_their_way = {(pending.experiment, pending.job, pending.attempt) for pending in self.outbox.pending}
        return Mine(session.past | {session.sid}, frozenset(running | on_their_way))

    def _claim_some(self) -> bool:
        """Claim and start attempts until nothing is free or nothing is left; whether any was started."""
        if not self.pool.has_room or self._is_at_limit() or self.is_leaving:
            return False
        if self.keeper.is_without or not self.place.is_fair:
            return False
        unread = self.place.weather.unread
        if not self._refresh_queue():
            return False
        started = self._claim_from_queue()
        is_idle = not (started or self.queue or self.pool.running or self._has_unsent or self.claiming.unknown)
        if is_idle and unread == self.place.weather.unread:
            self._maybe_leave()
        return started

    def _refresh_queue(self) -> bool:
        """List again when it is time; with nothing in view, after a pause that doubles while nothing changes."""
        if self.queue and not self._is_due("refresh", self._poll):
            return True
        if not self.queue and not self._is_due("idle", self.pause):
            return False
        self.due["refresh"] = time.monotonic() + self._poll
        changed = self.place.board.refresh()
        self.queue = self.place.board.candidates(self._mine)
        longest = max(self.place.session.claimer.lease_seconds / 10, _SHORTEST_PAUSE)
        self.pause = _SHORTEST_PAUSE if changed or self.queue else min(2 * self.pause, longest)
        return True

    def _claim_from_queue(self) -> bool:
        started, passed = False, []
        for claimed in self.claiming.ask_unknown():
            started |= self._start_late(claimed)
        queue, self.queue = self.queue, []
        while queue and not self.claiming.unknown and not self.signals:
            if not self.pool.has_room or self._is_at_limit() or self.keeper.is_without or self.place.weather.problem:
                break
            experiment, job = queue.pop(0)
            outcome = self._try_job(experiment, job)
            started |= outcome == "started"
            if outcome == "no room":
                passed.append((experiment, job))
            if self._is_due("glance", _GLANCE_SECONDS):
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
            self._look_at_own()
        claimed = self.claiming.claim(spec, experiment, self._mine)
        if claimed is None:
            self.pool.give_back(resources)
            return "skipped"
        attempt = Attempt(experiment, spec, claimed.attempt, Path(), resources=resources)
        if self.running.start(attempt, claimed.resume_above):
            self.due["note"] = min(self.due.get("note", 0.0), self.noted + _GLANCE_SECONDS)
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
        self.ends.publish(attempt, outcome, is_kept=False)
        return False

    def _maybe_leave(self) -> None:
        """Nothing runs and nothing can be claimed now: is there a reason to stay?"""
        if self.options.keep_alive:
            return
        self.is_leaving = self.options.exit_when_idle or not self.place.board.is_worth_staying(self._mine)


def _tolerant(say: Callable[[str], None]) -> Callable[[str], None]:
    """What is said may go to a file on the very folder that is full, or to a terminal that is gone."""

    def said(text: str) -> None:
        with contextlib.suppress(OSError):
            say(text)

    return said


def _why_not(need: Need) -> str:
    wants = f"{need.gpus} GPUs" if need.gpus else f"{need.slots} CPU slots"
    return f"they need {wants} at once"
