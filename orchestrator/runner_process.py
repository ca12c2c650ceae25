"""The worker's end of a runner: started by exec, asked over pipes, and noticed when it dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from orchestrator.attempt import Attempt
from orchestrator.memory import OUT_OF_MEMORY, is_out_of_memory, oom_kills

_FAREWELL_SECONDS: Final = 2.0
_COUNT_SECONDS: Final = 1.0


class RunnerProcess:
    """The worker's end of a runner: started by exec, asked over pipes.

    Args:
        scratch: a folder of this host, where what a called function prints is kept until its attempt ends.
        number: tells the runners of one worker apart.
        serves_once: whether it is to end with its attempt.
    """

    def __init__(self, scratch: Path, number: int, *, serves_once: bool = False) -> None:
        self.serves_once = serves_once
        self._output = (scratch / f"runner-{number}.out").open("w+b")
        self.attempt: Attempt | None = None
        self.group: int | None = None
        self._rest, self._run = b"", 0
        self._oom_kills, self._counted = 0, float("-inf")
        self._start()

    def _start(self) -> None:
        their_runs, self._runs = os.pipe()
        their_signals, self._signals = os.pipe()
        self.replies, their_replies = os.pipe()
        theirs = (their_runs, their_signals, their_replies)
        argv = [sys.executable, "-P", "-m", "orchestrator.runner", *map(str, theirs)]
        self.process = subprocess.Popen(  # noqa: S603
            argv,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=theirs,
            process_group=0,
        )
        self._death_notice = os.pidfd_open(self.process.pid)
        # Of the runner's group, and ends it when the worker is gone: should a function hold the interpreter's lock
        # then, the runner cannot see to that itself. The second is the runner's, to end a program's group too.
        self._guard = subprocess.Popen(
            ["sh", "-c", "read -r _; sleep 1; kill -KILL 0"],  # noqa: S607  the system's own
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=self.process.pid,
        )
        for descriptor in theirs:
            os.close(descriptor)
        os.set_blocking(self.replies, False)

    @property
    def signs(self) -> tuple[int, int]:
        """Descriptors to wait on: its replies, and its death, as what a function forked may hold the pipe open."""
        return self.replies, self._death_notice

    @property
    def is_dead(self) -> bool:
        return self.process.poll() is not None

    def run(self, attempt: Attempt, message: dict[str, Any]) -> None:
        """Give the runner an attempt."""
        self.attempt, self.group = attempt, None
        if time.monotonic() - self._counted > _COUNT_SECONDS:  # thousands of short calls need not ask each time
            self._oom_kills, self._counted = oom_kills(), time.monotonic()
        self._output.truncate(0)
        self._output.seek(0)
        self._run += 1
        self._send(self._runs, {"run": self._run, "attempt": attempt.number, **message})

    def stop(self, number: signal.Signals) -> None:
        """Tell the running attempt to stop; SIGKILL takes the runner along where the function would not listen."""
        if self.attempt is None:
            return
        if self.attempt.spec.kind == "call":
            self.serves_once = True  # processes that the function has started are in the runner's group, and go with it
        if number is signal.SIGKILL and self.attempt.spec.kind == "call":
            self.kill()
        else:
            self._send(self._signals, {"run": self._run, "signal": int(number)})

    def _send(self, pipe: int, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # a runner that died is seen at its reply pipe
            data = json.dumps(message).encode() + b"\n"
            while data:
                data = data[os.write(pipe, data) :]

    def events(self) -> Iterator[dict[str, Any]]:
        """What has arrived; an `ended` event of its own making when the runner is no more."""
        is_dead = self.is_dead  # asked before the last read, so that nothing it said before it died is missed
        while True:
            try:
                data = os.read(self.replies, 1 << 16)
            except BlockingIOError:
                if is_dead:
                    break
                return
            if not data:
                break
            *lines, self._rest = (self._rest + data).split(b"\n")
            for text in lines:
                event = json.loads(text)
                if event["event"] == "started":
                    self.group = event["group"]
                else:
                    self.group = None  # ended with its attempt: the number may be another's soon
                    yield event
        yield self._death()

    def _death(self) -> dict[str, Any]:
        """The runner is gone, and with it the attempt: its group is ended too."""
        status = self.process.wait()
        self.kill()
        if is_out_of_memory(status, self._oom_kills):
            return {"event": "died", "verdict": "oom", "error": OUT_OF_MEMORY}
        cause = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return {"event": "died", "verdict": "failed", "error": f"the process of the attempt ended by {cause}"}

    def kill(self) -> None:
        """End the runner, and all that is in its group and the attempt's."""
        for group in {self.process.pid, self.group} - {None}:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)  # type: ignore[arg-type]

    def close(self) -> None:
        """End the runner for good."""
        os.close(self._runs)
        os.close(self._signals)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # It takes the attempt's group along; this end may not have read yet which that is.
            self.process.wait(_FAREWELL_SECONDS)
        self.kill()
        self.process.wait()
        self._guard.communicate()
        os.close(self._death_notice)
        os.close(self.replies)
        self._output.close()

    def printed(self) -> bytes:
        """What a called function printed, at most its last megabyte."""
        size = os.fstat(self._output.fileno()).st_size
        self._output.seek(max(0, size - (1 << 20)))
        return self._output.read()
