"""The engine: workers over a folder, struck by plug-ins for a while; then calm, until nothing is left; then a count."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jobs.errors import HostUnfitError
from orchestrator.faults.deeds import DIARY
from orchestrator.faults.ground import Ground
from orchestrator.faults.places import Launch, Local, Place, Victim
from orchestrator.faults.plugins import Fault, Scene, Witness
from orchestrator.faults.takeover import TakeOvers
from orchestrator.faults.toll import Toll
from orchestrator.faults.workload import Workload, read_diary

_TURN_SECONDS: Final = 0.05
_RESTART_SECONDS: Final = (0.0, 1.5)  # a worker that died is started again after as long
_PATIENT_LEASES: Final = 5.0
_HEARING_SECONDS: Final = 20.0
_HEARD: Final = signal.SIGTERM.name  # what a worker says when it has heard that
_TELL_SECONDS: Final = 15.0
_LAST_LINES: Final = 3
_UNFIT: Final = 3
_INTRODUCTION: Final = "worker "  # what a worker says first, once it has a session


@dataclass(frozen=True)
class Trial:
    """What the engine is to do.

    Attributes:
        name: for people.
        folder: of this host, for what workers say and what faults need.
        ground: where the root lies.
        faults: the plug-ins; every one draws from its own part of `seed`.
        witnesses: who looks on meanwhile.
        places: workers are spread over them.
        seconds: how long faults are injected; less where `jobs` are nearly done before.
        jobs: planned at first; `batch`: as many again whenever fewer than half of that are left (0: never).
        burial_seconds: how long what came of a worker may outlive it.
        leave_seconds: how long a worker may take that is told to leave.
        drain_seconds: how long what is left may take, without faults.
    """

    name: str
    folder: Path
    ground: Ground
    faults: Sequence[Fault]
    seed: int
    seconds: float
    places: Sequence[Place] = (Local(),)
    witnesses: Sequence[Witness] = ()
    workers: int = 4
    lease_seconds: float = 3.0
    jobs: int = 300
    batch: int = 300
    burial_seconds: float = 10.0
    leave_seconds: float = 60.0
    drain_seconds: float = 300.0
    say: Callable[[str], None] = print


@dataclass
class Engine:
    """Carries a trial out; see the module's docstring."""

    trial: Trial
    _started: int = 0
    _workers: dict[int, Victim] = field(default_factory=dict)  # by slot
    _restart_at: dict[int, float] = field(default_factory=dict)
    _buried: list[tuple[float, Victim]] = field(default_factory=list)
    _told: float = 0.0

    def __post_init__(self) -> None:
        trial = self.trial
        self.toll = Toll(trial.name, trial.seed, trial.lease_seconds)
        self.chance = random.Random(f"{trial.seed} {trial.name}")  # noqa: S311
        self.workload = Workload(trial.seed)
        self.take_overs = TakeOvers(trial.ground)
        self.scene = Scene(trial.folder, trial.ground.root, trial.lease_seconds)
        self.scene.on_silenced = self._await_take_over
        self.faults = [fault for fault in trial.faults if self._is_there(f"fault {fault.name}", fault)]
        there = {id(place): self._is_there(f"place {place.name}", place) for place in dict.fromkeys(trial.places)}
        self.places = [place for place in trial.places if there[id(place)]]
        self._due = {fault.name: 0.0 for fault in self.faults}

    def _await_take_over(self, victim: Victim, how: str) -> None:
        self.take_overs.silenced(victim, f"{how} ({self._place(victim.launch.slot).name})")

    def _place(self, slot: int) -> Place:
        return self.places[slot % len(self.places)]

    def _is_there(self, name: str, part: Fault | Place) -> bool:
        if missing := part.missing():
            self.toll.skipped[name] = missing
            self.trial.say(f"{self.trial.name}: skipped {name}: missing {missing}")
        return not missing

    def run(self) -> Toll:
        """Inject faults, drain, count; every process that was started is ended on every way out."""
        began = time.monotonic()
        ready: list[Fault] = []
        try:
            for fault in self.faults:
                ready.append(fault)
                fault.set_up(self.scene)
            self._plan(self.trial.jobs)
            self._call_witnesses()
            self._attack()
            self._calm()
            self._drain()
            for witness in self.trial.witnesses:
                witness.end()
            self._count()
        finally:
            self._end_all()
            for fault in reversed(ready):
                fault.clean_up(self.scene)
        self.toll.seconds = time.monotonic() - began
        return self.toll

    def _plan(self, count: int) -> None:
        try:
            self.trial.ground.plan(self.workload, count)
        except HostUnfitError as error:  # the folder may be full just now; the same jobs are planned later
            self.trial.say(f"{self.trial.name}: not planned now: {error}")
        self.toll.jobs = self.workload.planned

    def _call_witnesses(self) -> None:
        """Let them look at the root from every side that workers see it from."""
        roots = [self.trial.ground.root]
        for slot in range(self.trial.workers if self.trial.witnesses else 0):
            launch = Launch(0, slot, self.trial.ground.root, self.trial.folder)
            for fault in self.faults:
                launch = fault.prepare(launch)
            roots += [launch.root] if launch.root not in roots else []
        for witness in self.trial.witnesses:
            witness.begin(roots)

    # --- under attack -----------------------------------------------------------------------------------------------

    def _attack(self) -> None:
        until = time.monotonic() + self.trial.seconds
        for fault in self.faults:
            self._due[fault.name] = time.monotonic() + self.chance.uniform(0.5, 1.0) * fault.every
        while self.places and time.monotonic() < until and not self._is_nearly_done():
            self._keep_workers()
            self.scene.workers = [victim for victim in self._workers.values() if victim.poll() is None]
            for fault in self.faults:
                if time.monotonic() >= self._due[fault.name]:
                    self._due[fault.name] = time.monotonic() + self.chance.expovariate(1 / fault.every)
                    fault.strike(self.scene)
                fault.tend(self.scene)
            self.take_overs.tend()
            self._bury()
            self._tell("under attack")
            time.sleep(_TURN_SECONDS)

    def _is_nearly_done(self) -> bool:
        """Whether so few jobs are left that workers would soon run dry; plans more where the trial says so."""
        if time.monotonic() < self._due.get("plan", 0.0):
            return False
        self._due["plan"] = time.monotonic() + 1.0
        left = self.workload.planned - self.trial.ground.marked()
        if left < self.trial.batch / 2:
            self._plan(self.trial.batch)
        has_struck = all(sum(fault.counts.values()) for fault in self.faults)
        return not self.trial.batch and has_struck and left <= self.trial.jobs // 10

    def _keep_workers(self) -> None:
        for slot in range(self.trial.workers):
            victim = self._workers.get(slot)
            if victim is not None and victim.poll() is not None:
                self._note_death(victim)
                del self._workers[slot]
                self._restart_at[slot] = time.monotonic() + self.chance.uniform(*_RESTART_SECONDS)
            if slot not in self._workers and time.monotonic() >= self._restart_at.get(slot, 0.0):
                self._workers[slot] = self._start(slot)

    def _start(self, slot: int, *, keep_alive: bool = True) -> Victim:
        trial = self.trial
        words = ("worker", "--gpus", "none", "--slots", "2", *(("--keep-alive",) if keep_alive else ()))
        launch = Launch(self._started, slot, trial.ground.root, trial.folder, words)
        launch = launch.with_env(
            ORCH_LEASE_SECONDS=str(trial.lease_seconds), **{DIARY: str(trial.folder / "diary.txt")}
        )
        for fault in self.faults if keep_alive else ():
            launch = fault.prepare(launch)
        self._started += 1
        return self._place(slot).start(launch)

    def _note_death(self, victim: Victim) -> None:
        status = victim.poll()
        if status == _UNFIT and _INTRODUCTION not in victim.said():
            self.toll.refused += 1
        elif status is not None and status not in victim.expected:
            self.toll.gave_up.append(f"worker {victim.launch.number} left with {status}: {_last_words(victim)}")
            self.trial.say(f"{self.trial.name}: {self.toll.gave_up[-1]}")
        self._buried.append((time.monotonic() + self.trial.burial_seconds, victim))

    def _bury(self, *, wait: bool = False) -> None:
        """What came of a worker is to be gone a while after it; what is not was left behind."""
        for due, victim in list(self._buried):
            while wait and time.monotonic() < due and victim.left_behind():
                time.sleep(_TURN_SECONDS)
            if wait or time.monotonic() >= due:
                left = victim.left_behind()
                self.toll.left_behind += [f"of worker {victim.launch.number}: {command}" for command in left]
                victim.end()
                self._buried.remove((due, victim))

    def _tell(self, what: str) -> None:
        if time.monotonic() >= self._told:
            self._told = time.monotonic() + _TELL_SECONDS
            faults = ", ".join(f"{name} {sum(fault.counts.values())}" for name, fault in self._by_name())
            done = self.trial.ground.marked()
            self.trial.say(f"{self.trial.name}: {what}: {done} of {self.workload.planned} jobs done; {faults}")

    def _by_name(self) -> list[tuple[str, Fault]]:
        return [(fault.name, fault) for fault in self.faults]

    # --- calm -------------------------------------------------------------------------------------------------------

    def _calm(self) -> None:
        """End all faults, and tell the workers that are left to leave: who went through all this still listens."""
        for fault in self.faults:
            fault.calm(self.scene)
        self._await_take_overs()
        for victim in self._workers.values():
            victim.expected |= {0, 1}
            self._tell_to_leave(victim)
        self._wait_for_all(self.trial.leave_seconds, "told to leave")

    def _await_take_overs(self) -> None:
        """Those who have begun to miss a silenced worker are to see it through: others would start counting anew."""
        until = time.monotonic() + _PATIENT_LEASES * self.trial.lease_seconds
        while self.take_overs.is_waiting and time.monotonic() < until:
            self.take_overs.tend()
            time.sleep(_TURN_SECONDS)

    def _tell_to_leave(self, victim: Victim) -> None:
        """SIGTERM, until it is heard: a worker that was only just started has no ear for signals yet."""
        until = time.monotonic() + _HEARING_SECONDS
        again = 0.0
        while victim.poll() is None and _HEARD not in victim.said() and (now := time.monotonic()) < until:
            if _INTRODUCTION in victim.said() and now >= again:
                again = now + _HEARING_SECONDS / 4  # not at once: a second one means to stop now
                victim.send(signal.SIGTERM)
            time.sleep(_TURN_SECONDS)

    def _drain(self) -> None:
        """Plain workers do what is left, and leave by themselves when nothing is."""
        self._workers = {slot: self._start(slot, keep_alive=False) for slot in range(self.trial.workers)}
        for victim in self._workers.values():
            victim.expected |= {0}
        self._wait_for_all(self.trial.drain_seconds, "left with what remained")

    def _wait_for_all(self, seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while any(victim.poll() is None for victim in self._workers.values()) and time.monotonic() < until:
            self.take_overs.tend()
            self._bury()
            self._tell(what)
            time.sleep(_TURN_SECONDS)
        for victim in self._workers.values():
            if victim.poll() is None:
                words = _last_words(victim)
                self.toll.hung.append(f"worker {victim.launch.number}, {what}, after {seconds:.0f} s: {words}")
                victim.end()
            else:
                self._note_death(victim)
        self._workers = {}
        self._bury(wait=True)

    def _count(self) -> None:
        toll = self.toll
        toll.workers = self._started
        toll.audit, toll.wrong = self.trial.ground.judge()
        toll.diary = read_diary(self.trial.folder / "diary.txt")
        toll.take_overs = self.take_overs.seen
        for witness in self.trial.witnesses:
            toll.looks[witness.name] = witness.counts
            toll.seen[witness.name] = witness.broken
        for fault in self.faults:
            fault.tally(self.scene)
            toll.faults[fault.name] = fault.counts
            if not sum(fault.counts.values()):
                toll.idle.append(fault.name)
        if not self.places or not self.faults:
            toll.idle.append("everything")

    def _end_all(self) -> None:
        for witness in self.trial.witnesses:
            witness.end()
        for fault in self.faults:
            fault.calm(self.scene)
        for victim in [*self._workers.values(), *(victim for _, victim in self._buried)]:
            victim.end()
        self._workers, self._buried = {}, []


def _last_words(victim: Victim) -> str:
    """The end of what a worker said, in one line."""
    return " | ".join(line.strip() for line in victim.said().splitlines()[-_LAST_LINES:])
