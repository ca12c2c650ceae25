"""The runner's side of `trainers.warm`: attempts forked from a process that has imported torch already.

A slot has at most one such process. It is started when the slot's first training job comes, whose own imports it does,
and serves attempts of one thread while what it was started with stays the same: the environment, which libraries read
when they are loaded, and the trainers' code. Then another takes its place. One a slot, not one a worker: it lives and
dies with its runner, and so do its attempts; it does one thing at a time; and as an attempt shares its memory with it,
both take little more than the attempt would take alone. Where there can be none, attempts are started by exec: nothing
depends on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import trainers
from orchestrator.line import Line
from trainers.errors import EXIT_PREEMPTED
from trainers.lifeline import die_with_parent
from trainers.warm import MAX_BYTES

# What an attempt has of its own in its environment; all of it is read late.
OWN: Final = frozenset({"ORCH_FOLDER", "ORCH_RESUME", "ORCH_SPEC", "ORCH_PROGRESS", "CUDA_VISIBLE_DEVICES"})

CodeState = frozenset[tuple[str, int, int]]


class Settled(NamedTuple):
    """What a process has in common with its attempts.

    Attributes:
        environment: of all of them.
        folder: that they run in.
        code: the trainers' modules as they are on disk.
    """

    environment: dict[str, str]
    folder: str
    code: CodeState


class ColdError(Exception):
    """No attempt can be forked; the text says why."""


class Warm:
    """A process to fork attempts from.

    Args:
        settled: what its attempts will find.

    Attributes:
        pid: of it, and of its group.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, settled: Settled) -> None:
        self.settled = settled
        runner = os.getpid()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "trainers.warm", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                # Nothing that is loaded may see a GPU, even if it looks for one.
                env={**settled.environment, "CUDA_VISIBLE_DEVICES": ""},
                process_group=0,
                pass_fds=(theirs.fileno(),),
                preexec_fn=lambda: die_with_parent(runner),
            )
        self.pid = self._process.pid

    def is_ready_for(self, settled: Settled) -> bool:
        """Whether it is there, and as it should be."""
        return self._process.poll() is None and self.settled == settled

    def ask(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> int | None:
        """The pid of a new attempt; None: it ended before it had one."""
        try:
            socket.send_fds(self._line, [json.dumps(request).encode()], descriptors)
        except ConnectionError:
            return None
        answer = self._hear()
        return None if answer is None else int(answer["pid"])

    def attempt_status(self) -> int:
        """Wait until the attempt has ended; its exit status, negative: the signal that ended it.

        If this process ends first, the kernel ends the attempt: preempted where this process was asked to stop, which
        was meant for the attempt that it had only just forked.
        """
        answer = self._hear()
        if answer is None:
            return EXIT_PREEMPTED if self.status() == EXIT_PREEMPTED else -signal.SIGKILL
        return int(answer["status"])

    def status(self) -> int:
        """Wait until this process itself has ended; its exit status."""
        return self._process.wait()

    def _hear(self) -> dict[str, Any] | None:
        try:
            data = self._line.recv(MAX_BYTES)
        except ConnectionError:
            data = b""
        return json.loads(data) if data else None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._line.close()


class Forked:
    """An attempt that came of a `Warm`, to its runner like one that it has started itself."""

    def __init__(self, warm: Warm, pid: int) -> None:
        self._warm, self.pid = warm, pid

    def wait(self) -> int:
        return self._warm.attempt_status()


class Nipped:
    """An attempt that a signal ended while the process that it was to come of still did its imports."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid, self._status = pid, status

    def wait(self) -> int:
        return self._status


class Slot:
    """What a runner forks attempts from, if anything."""

    def __init__(self) -> None:
        self._warm: Warm | None = None
        self._is_given_up = False

    def fork(self, line: Line, message: Mapping[str, Any], descriptors: Sequence[int]) -> Forked | Nipped | None:
        """Start an attempt; None: it is to be started by exec, and the log says why unless another's has said it.

        Args:
            line: what arrives before the attempt is there is passed on to what becomes one.
            message: what is to be run; `trainer` are the arguments.
            descriptors: the log's, then those that the attempt is to hold.
        """
        if self._is_given_up:
            return None
        try:
            return self._fork(line, message, descriptors)
        except (ColdError, OSError) as error:
            self._is_given_up = True
            with contextlib.suppress(OSError):
                os.write(descriptors[0], f"warning: not forked from a warm process: {error}\n".encode())
            return None

    def _fork(self, line: Line, message: Mapping[str, Any], descriptors: Sequence[int]) -> Forked | Nipped:
        settled, own = _split({**os.environ, **message["env"]})
        request = {"arguments": message["trainer"], "environment": own}
        for _ in range(2):  # the first may be about to leave, as nothing was asked for a while
            warm = self._warm_for(settled)
            line.begin(warm)
            if (pid := warm.ask(request, descriptors)) is not None:
                return Forked(warm, pid)
            status = warm.status()
            if status < 0 or status == EXIT_PREEMPTED:
                return Nipped(warm.pid, status)
            if status:
                raise ColdError(f"it ended with exit status {status}")
        raise ColdError("it left twice")

    def _warm_for(self, settled: Settled) -> Warm:
        if self._warm is not None and not self._warm.is_ready_for(settled):
            self._warm.end()
            self._warm = None
        if self._warm is None:
            self._warm = Warm(settled)
        return self._warm


slot: Final = Slot()  # a runner is one process, and has one


def _split(environment: Mapping[str, str]) -> tuple[Settled, dict[str, str]]:
    """What a process and its attempts have in common, and what of the environment is the attempt's own."""
    common = {name: value for name, value in environment.items() if name not in OWN}
    own = {name: environment[name] for name in OWN if name in environment}
    return Settled(common, str(Path.cwd()), code_state(Path(trainers.__file__).parent)), own


def code_state(package: Path) -> CodeState:
    """What tells that modules were edited: path, size and time of change (ns) of each file."""
    return frozenset((str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in package.rglob("*.py"))
