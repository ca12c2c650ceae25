"""A runner's line to its worker: what is to be done comes in, what became of it goes out."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import threading
from typing import Any, Protocol

Message = dict[str, Any]


class Child(Protocol):
    """A process that this one has started."""

    pid: int


class Line:
    """The two pipes to the worker, and what the commands that arrive meanwhile concern.

    Args:
        commands, replies: descriptors to read from, and to write to.

    Attributes:
        early: a signal that came before the attempt that it is for had begun.
    """

    def __init__(self, commands: int, replies: int) -> None:
        self.commands, self.replies = commands, replies
        self.waiting: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.child: Child | None = None
        self.is_calling = False
        self.early: signal.Signals | None = None
        self._turn = threading.Lock()

    def reply(self, **message: Any) -> None:
        data = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # the worker is gone: `listen` sees to the end
            while data:
                data = data[os.write(self.replies, data) :]

    def listen(self) -> None:
        """Take commands until the worker is gone (a thread of its own: the main one may be inside a function)."""
        with os.fdopen(self.commands, "rb") as stream:
            for text in stream:
                message = json.loads(text)
                if message["do"] == "run":
                    self.early = None
                    self.waiting.put(message)
                else:
                    self.stop(signal.Signals(message["signal"]))
        self.take_down()

    def begin(self, child: Child | None = None) -> None:
        """The attempt runs from here on: as a process, or (None) as a function in the main thread, which calls this."""
        with self._turn:
            self.child, self.is_calling = child, child is None
            if self.early is not None:
                self._pass_on(self.early)

    def stop(self, number: signal.Signals) -> None:
        with self._turn:
            if self.child is None and not self.is_calling:
                self.early = number
            else:
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
