"""What this worker can run at once: GPUs and CPU slots, and a runner for each attempt that runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jobs.spec import JobSpec
from orchestrator.attempt import Attempt, Resources, ranks_of
from orchestrator.gpus import Gpu, is_free
from orchestrator.runner_process import RunnerProcess


@dataclass(frozen=True, slots=True)
class Need:
    """How many GPUs and CPU slots a job takes on this worker."""

    gpus: int
    slots: int


def need_of(spec: JobSpec, *, has_gpus: bool) -> Need:
    """A `train` job takes a GPU a rank where there are GPUs, else a CPU slot a rank; other kinds take a slot.

    A number under `resources` asks for that many GPUs, and workers without them leave the job alone.
    """
    if spec.gpus is not None:
        return Need(spec.gpus, 0 if spec.gpus else max(1, ranks_of(spec)))
    if spec.kind == "train":
        return Need(ranks_of(spec), 0) if has_gpus else Need(0, ranks_of(spec))
    return Need(0, 1)


@dataclass
class Pool:
    """Free and taken resources, and the runners.

    Attributes:
        gpus: all GPUs of this worker; slots: all its CPU slots.
        scratch: a folder of this host.
    """

    gpus: list[Gpu]
    slots: int
    scratch: Path
    running: list[RunnerProcess] = field(default_factory=list)
    _idle: list[RunnerProcess] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _slots_taken: int = 0
    _started: int = 0

    def can_ever(self, need: Need) -> bool:
        return need.gpus <= len(self.gpus) and need.slots <= self.slots

    @property
    def has_room(self) -> bool:
        """Whether anything at all is free."""
        return self._slots_taken < self.slots or len(self._taken) < len(self.gpus)

    def take(self, need: Need) -> Resources | None:
        """Reserve resources; None when too few are free now."""
        if self._slots_taken + need.slots > self.slots:
            return None
        free = [gpu.uuid for gpu in self.gpus if gpu.uuid not in self._taken]
        if len(free) < need.gpus:
            return None
        if need.gpus:
            free = [gpu for gpu in free if is_free(gpu)]
            if len(free) < need.gpus:
                return None
        resources = Resources(tuple(free[: need.gpus]), need.slots)
        self._taken |= set(resources.gpus)
        self._slots_taken += resources.slots
        return resources

    def give_back(self, resources: Resources) -> None:
        self._taken -= set(resources.gpus)
        self._slots_taken -= resources.slots

    def runner(self, *, is_new: bool = False) -> RunnerProcess:
        """An idle runner, or a new one, which serves one attempt only where `is_new` asks for that.

        A process sees the GPUs that it saw when it first used one, and keeps what it has there: a function that is
        given GPUs cannot share one with others.
        """
        if is_new:
            self.running.append(self._start_runner(serves_once=True))
            return self.running[-1]
        for runner in [idle for idle in self._idle if idle.is_dead]:
            self._idle.remove(runner)
            runner.close()
        runner = self._idle.pop() if self._idle else self._start_runner(serves_once=False)
        self.running.append(runner)
        return runner

    def _start_runner(self, *, serves_once: bool) -> RunnerProcess:
        self._started += 1
        return RunnerProcess(self.scratch, self._started, serves_once=serves_once)

    def is_over(self, runner: RunnerProcess, *, died: bool) -> Attempt:
        """A runner's attempt has ended: take its resources back, and keep the runner unless it died."""
        attempt = runner.attempt
        if attempt is None:
            raise AssertionError("a runner without an attempt has ended one")
        runner.attempt = None
        self.running.remove(runner)
        if died or runner.serves_once:
            runner.close()
        else:
            self._idle.append(runner)
        self.give_back(attempt.resources)
        return attempt

    @property
    def attempts(self) -> list[Attempt]:
        return [runner.attempt for runner in self.running if runner.attempt is not None]

    def close(self) -> None:
        """End every runner and all that runs in them."""
        for runner in [*self.running, *self._idle]:
            runner.close()
        self.running, self._idle = [], []
