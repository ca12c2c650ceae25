"""Where the workers of a trial run: as processes of this host, in pid namespaces of their own, on other hosts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from jobs.process import start_ticks
from jobs.records import Claimer
from trainers.lifeline import die_with_parent

MARK: Final = "ORCH_FAULTS_MARK"
_PAUSE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Launch:
    """How a worker is to be started; faults may change it before.

    Attributes:
        number: of this start, counted from 0.
        slot: which of the trial's workers this one stands for; the one in slot 0 is never struck.
        root: the shared folder, as this worker is to see it.
        words: what follows `orch`.
        module: what python runs: the command itself, or what makes it fallible.
        before: what is put before python, such as `unshare`.
        env: further environment variables.
        expected: exit statuses that its faults make proper.
        folder: of this host, where it starts and what it says is kept.
    """

    number: int
    slot: int
    root: Path
    folder: Path
    words: tuple[str, ...] = ("worker", "--gpus", "none", "--slots", "2", "--keep-alive")
    module: str = "orchestrator"
    before: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    expected: frozenset[int] = frozenset()

    @property
    def argv(self) -> tuple[str, ...]:
        return (*self.before, sys.executable, "-m", self.module, *self.words)

    def wrapped(self, *before: str) -> Launch:
        """With `before` put around all that is put before python so far."""
        return replace(self, before=(*before, *self.before))

    def with_env(self, **more: str) -> Launch:
        return replace(self, env={**self.env, **more})


class Victim(Protocol):
    """A worker that was started, as the engine and the faults see it.

    Attributes:
        launch: how it was started.
        expected: exit statuses that were made proper: by a fault, or (SIGKILL) by `send` itself.
        is_stopped: a fault has silenced it, and has not let it go on.
    """

    launch: Launch
    expected: set[int]
    is_stopped: bool

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None: it runs."""
        ...

    def send(self, number: signal.Signals, *, to_all: bool = False) -> bool:
        """Signal the worker's process, or with it all that came of it; elsewhere the nearest thing; whether it was."""
        ...

    def owns(self, who: Claimer) -> bool:
        """Whether that session is, or was, this worker's."""
        ...

    def said(self) -> str:
        """All that it wrote so far."""
        ...

    def left_behind(self) -> list[str]:
        """Processes that came of it and live, by command line."""
        ...

    def end(self) -> None:
        """Kill what is left of it."""
        ...


class Place(Protocol):
    """A way to start workers."""

    name: str

    def missing(self) -> str:
        """Which facility is missing here; empty: none."""
        ...

    def start(self, launch: Launch) -> Victim: ...


# --- this host ------------------------------------------------------------------------------------------------------


class Local:
    """Processes of this host."""

    name = "processes"

    def missing(self) -> str:
        return ""

    def start(self, launch: Launch) -> Victim:
        return Process(launch)


class Namespaces:
    """Processes in pid namespaces of their own: to each other they are other hosts, so that only leases tell."""

    name = "pid namespaces"
    _UNSHARE: Final = ("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")

    def missing(self) -> str:
        try:
            run = subprocess.run([*self._UNSHARE, "true"], capture_output=True, text=True, check=False)  # noqa: S603
        except FileNotFoundError:
            return "unshare (util-linux)"
        return "" if run.returncode == 0 else f"pid namespaces ({run.stderr.strip()})"

    def start(self, launch: Launch) -> Victim:
        return Process(launch.wrapped(*self._UNSHARE))


class Process:
    """A worker of this host; all that comes of it carries a mark in its environment."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.expected = set(launch.expected)
        self.is_stopped = False
        self.mark = f"{launch.folder}:{launch.number}"
        self._output = launch.folder / f"worker-{launch.number:04d}.txt"
        self._seen: set[tuple[str, int, int]] = set()
        engine = os.getpid()
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(  # noqa: S603
                launch.argv,
                cwd=launch.folder,
                env=_environment(launch, self.mark),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the terminal is the engine's to hear
                preexec_fn=lambda: die_with_parent(engine),  # an engine that is killed leaves nobody at work
            )
        self._pid: int | None = None if launch.before else self.process.pid

    def poll(self) -> int | None:
        return self.process.poll()

    @property
    def pid(self) -> int | None:
        """The worker's own process, behind what was put before it; None: not there yet, or no more."""
        if self._pid is None:
            self._pid = next((pid for pid in _marked(self.mark) if _is_worker(pid, self.launch)), None)
        return self._pid

    def send(self, number: signal.Signals, *, to_all: bool = False) -> bool:
        if self.process.poll() is not None or (pid := self.pid) is None:
            return False
        self._remember(pid)
        for one in {pid, *_marked(self.mark)} - {self.process.pid} | {pid} if to_all else {pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)
        if number is signal.SIGKILL:
            # What stands before it passes the signal on to itself, or (unshare) is startled and leaves with 1.
            self.expected |= {-number, 128 + number, *([1] if self.launch.before else [])}
        return True

    def owns(self, who: Claimer) -> bool:
        if self.process.poll() is None and self.pid is not None:
            self._remember(self.pid)
        return (who.pidns, who.pid, who.start) in self._seen

    def _remember(self, pid: int) -> None:
        """What its sessions' tickets call it: its pid namespace, its number there, and its start time."""
        with contextlib.suppress(OSError):
            namespace = os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
            inner = next(line.split()[-1] for line in status.splitlines() if line.startswith("NSpid:"))
            start = start_ticks(pid)
            if start is not None:
                self._seen.add((namespace, int(inner), start))

    def said(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def left_behind(self) -> list[str]:
        return [_command_line(pid) for pid in _marked(self.mark)]

    def end(self) -> None:
        """Again and again, as one that is being killed may just have started another."""
        while pids := list(_marked(self.mark)):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_PAUSE_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def _environment(launch: Launch, mark: str) -> dict[str, str]:
    outer = {key: value for key, value in os.environ.items() if not key.startswith("ORCH_")}
    return outer | {"ORCH_ROOT": str(launch.root), "TMPDIR": str(launch.folder), MARK: mark} | dict(launch.env)


def _marked(mark: str) -> Iterator[int]:
    """Living processes with that mark in their environment; a zombie has none."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # gone meanwhile
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return f"process {pid}"


def _is_worker(pid: int, launch: Launch) -> bool:
    """Whether a marked process is python with the worker in it, not what was put before it, nor a child."""
    wanted = (sys.executable, "-m", launch.module, *launch.words)
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return False
    return tuple(words) == wanted
