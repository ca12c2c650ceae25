"""The worker: one session over all experiments of a root; it picks, claims, runs, publishes and watches the others."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from jobs.plan import experiments
from jobs.sessions import Tickets
from jobs.store import FolderStore
from orchestrator.claiming import Claiming
from orchestrator.ends import Ends
from orchestrator.feeding import GLANCE_SECONDS, SHORTEST_PAUSE, Feeder, Stays
from orchestrator.gpus import Gpu
from orchestrator.keeping import Keeper, first_session
from orchestrator.picking import Board
from orchestrator.place import Place
from orchestrator.pool import Pool
from orchestrator.publishing import Outbox
from orchestrator.running import Running
from orchestrator.scratch import open_scratch
from orchestrator.session import times_from_environment
from orchestrator.sweeping import Sweep, Sweeper
from orchestrator.timetable import Timetable
from orchestrator.upkeep import Upkeep
from orchestrator.vigil import Vigil
from orchestrator.watching import Watcher
from orchestrator.watchpost import WatchPost
from orchestrator.weather import Weather

SHOWN_FAILURES: Final = 20


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
        board = Board(root, store)
        self.place = Place(store, board, first_session(store, say), weather, say)
        keeper = Keeper(self.place)
        self.vigil = Vigil(say)
        self.scratch = open_scratch()
        self.pool = Pool(gpus, slots, self.scratch.path)
        self.outbox = Outbox(store)
        self.ends = Ends(self.place, self.outbox)
        self.running = Running(self.place, self.pool, self.ends)
        self.claiming = Claiming(self.place)
        self.signals = 0
        timetable = Timetable()
        stays = Stays(options.exit_when_idle, options.keep_alive, self._has_had_enough)
        self.feeder = Feeder(self.place, self.running, self.claiming, keeper, timetable, stays)
        self.post = WatchPost(Watcher(store, self.place.session.claimer))
        self.sweep = Sweep(
            Sweeper(FolderStore(root), Watcher(FolderStore(root), self.place.session.claimer)), self._tickets
        )
        self.upkeep = Upkeep(self.place, self.running, self.feeder, keeper, self.post, timetable)

    # --- from start to end ------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Work until nothing is left, or until told to stop; the exit code."""
        with self._signals():  # to the very end: a signal while it leaves must not leave attempts to be evicted
            try:
                self._introduce()
                self.vigil.start()
                self.post.start()
                self.sweep.start()
                self._loop()
            finally:
                self.vigil.stop()
                self._leave()
        return 1 if self.ends.final_failures or self.ends.breaker.tripped else 0

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
            steps.callback(self.scratch.remove)
            steps.callback(self.place.session.close)
            steps.callback(self.upkeep.write_note)
            steps.callback(self.post.stop)
            steps.callback(self.sweep.stop)
            steps.callback(self.ends.leave)
            for attempt in attempts:
                steps.callback(self.running.release, attempt)
            steps.callback(self.pool.close)

    def _say_goodbye(self) -> None:
        counts = ", ".join(f"{count} {kind.value}" for kind, count in sorted(self.ends.counts.items())) or "nothing"
        self.place.say(f"worker {self.place.session.sid} leaves: {counts}")
        failed = self.ends.final_failures
        for job in failed[:SHOWN_FAILURES]:
            self.place.say(f"failed for good: {job}")
        if len(failed) > SHOWN_FAILURES:
            self.place.say(f"failed for good: {len(failed) - SHOWN_FAILURES} more, see orch status --failed")
        for line in self.place.board.left_undone():
            self.place.say(line)

    def _tickets(self) -> Tickets:
        return self.place.session.tickets

    # --- the loop ---------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        told = 0
        while True:
            self.vigil.turn()
            changed = self.running.collect()
            # A slot works on while the end of its last attempt is put: for short jobs half of the time.
            # Not where that would mean to list the folder first: what is over is known to nobody else yet.
            claimed = changed and bool(self.feeder.queue) and self.running.all_went_well and self.feeder.feed()
            self.running.finish(is_new=changed)
            self.ends.retry()
            if self.signals > told:
                told = self.signals
                number = signal.SIGTERM if told == 1 else signal.SIGKILL
                self.running.tell_all(number, "the worker was told to stop")
            self.running.enforce_deadlines()
            self.upkeep.tend()
            if self._is_over():
                return
            claimed |= self.feeder.feed()
            self.feeder.pause = SHORTEST_PAUSE if changed or claimed else self.feeder.pause
            if not claimed and not self.feeder.is_leaving:
                self._wait()

    def _is_over(self) -> bool:
        if self.pool.running or (self._has_unsent and self.signals < 2):
            return False
        return self.feeder.is_leaving or self._has_had_enough()

    @property
    def _has_unsent(self) -> bool:
        return bool(self.outbox.pending or self.running.over)

    def _has_had_enough(self) -> bool:
        """Nothing more is to be claimed: it was told to stop, has had its number of jobs, or only fails."""
        is_at_limit = self.options.max_jobs is not None and self.claiming.count >= self.options.max_jobs
        return bool(self.signals) or is_at_limit or self.ends.breaker.is_host_broken

    def _wait(self) -> None:
        """Until a runner says something, a signal arrives, or something falls due."""
        now = time.monotonic()
        pause = min(self.feeder.pause, GLANCE_SECONDS) if self.feeder.wants_more else GLANCE_SECONDS
        wake = min(now + pause, self.outbox.next_due(), self.running.next_deadline(), self._next_try(now))
        pipes = [sign for runner in self.pool.running for sign in runner.signs]
        ready, _, _ = select.select([*pipes, self._wake_in], [], [], max(0.0, wake - now))
        if self._wake_in in ready:
            os.read(self._wake_in, 64)

    def _next_try(self, now: float) -> float:
        """When to try the folder again; at once would be a loop that waits for nothing."""
        return max(self.place.weather.next_due(), now + SHORTEST_PAUSE)


def _tolerant(say: Callable[[str], None]) -> Callable[[str], None]:
    """What is said may go to a file on the very folder that is full, or to a terminal that is gone."""

    def said(text: str) -> None:
        with contextlib.suppress(OSError):
            say(text)

    return said
