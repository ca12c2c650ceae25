"""Requests to stop, turned into a flag that the training loop looks at between steps; no torch.

SIGTERM, SIGINT, and SIGUSR1, which schedulers send some minutes before the end.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

from trainers.errors import Preempted

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class StopRequest:
    """Whether this process was asked to stop.

    Until `defer` is called a signal raises Preempted where the program stands: there is nothing to save yet. After it,
    it only sets the flag. A second signal changes nothing: a launcher and a process group often deliver two.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._is_deferred = False

    def install(self) -> None:
        """Take over these signals; main thread only."""
        for number in _SIGNALS:
            signal.signal(number, self._receive)

    def defer(self) -> None:
        """From here on the training loop looks at the flag."""
        self._is_deferred = True

    def ignore(self) -> None:
        """From here on signals change nothing: the process is about to end with a status of its own."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        first, self.is_set = not self.is_set, True
        if first and not self._is_deferred:
            raise Preempted
