"""A runner's line to its worker: what is to be done comes in, what became of it goes out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from typing import Any, Protocol

Message = dict[str, Any]


class Child(Protocol):
    """A process that this one has started."""

    pid: int


class Line:
    """The pipes to the worker, and what the signals that arrive meanwhile concern.

    Runs and signals come in by pipes of their own: a run is read by the thread that does it, with no other woken.

    Args:
        runs, signals, replies: descriptors to read what is to be run and stopped from, and to write to.

    Attributes:
        run: the number of the run that was read last.
        early: a signal that came before the run that it is for had begun, with that run's number.
    """

    def __init__(self, runs: int, signals: int, replies: int) -> None:
        self._runs = os.fdopen(runs, "rb")
        self._signals, self._replies = signals, replies
        self.run = 0
        self.child: Child | None = None
        self.is_calling = False
        self.early: tuple[int, signal.Signals] | None = None
        self._turn = threading.Lock()

    def reply(self, **message: Any) -> None:
        data = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # the worker is gone: `listen` sees to the end
            while data:
                data = data[os.write(self._replies, data) :]

    def next_run(self) -> Message:
        """The next that is to be run; the worker's end is this process's end."""
        text = self._runs.readline()
        if not text:
            self.take_down()
        message: Message = json.loads(text)
        with self._turn:
            self.run, self.child, self.is_calling = message["run"], None, False
        return message

    def listen(self) -> None:
        """Pass on signals until the worker is gone (a thread of its own: the main one may be inside a function)."""
        with os.fdopen(self._signals, "rb") as stream:
            for text in stream:
                message = json.loads(text)
                self.stop(message["run"], signal.Signals(message["signal"]))
        self.take_down()

    def begin(self, child: Child | None = None) -> None:
        """The attempt runs from here on: as a process, or (None) as a function in the main thread, which calls this."""
        with self._turn:
            self.child, self.is_calling = child, child is None
            if self.early is not None and self.early[0] == self.run:
                self._pass_on(self.early[1])

    def stop(self, run: int, number: signal.Signals) -> None:
        """Signal a run: at its begin if that is still to come, never if it is over."""
        with self._turn:
            has_begun = self.child is not None or self.is_calling
            if run > self.run or (run == self.run and not has_begun):
                self.early = run, number
            elif run == self.run:
                self._pass_on(number)

    def _pass_on(self, number: signal.Signals) -> None:
        if self.child is None:
            signal.pthread_kill(threading.main_thread().ident or 0, number)
            return
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self.child.pid, number)
            else:
                os.kill(self.child.pid, number)

    def take_down(self) -> None:
        """The worker is gone: end the attempt's group and this process's own."""
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)
        os.killpg(0, signal.SIGKILL)  # the runner leads a group of its own, with what a function started in it
