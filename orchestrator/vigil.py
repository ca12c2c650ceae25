"""A thread that says so when the worker's one thread hangs in the folder: a server that is away stops a hard mount."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

PATIENCE_SECONDS: Final = 15.0


@dataclass
class Vigil:
    """Watches the turns of a loop, touches no file, and decides nothing.

    Attributes:
        patience_seconds: how long a turn may take before it is worth a line.
    """

    say: Callable[[str], None]
    patience_seconds: float = PATIENCE_SECONDS
    clock: Callable[[], float] = time.monotonic
    _turned: float = 0.0
    _told: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self.turn()
        self._thread = threading.Thread(target=self._watch, name="vigil", daemon=True)
        self._thread.start()

    def turn(self) -> None:
        """The loop goes round."""
        now = self.clock()
        if self._told:
            self.say(f"the folder answers again after {now - self._turned:.0f} s")
            self._told = 0.0
        self._turned = now

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self.patience_seconds / 5):
            hung = self.clock() - self._turned
            if hung >= self.patience_seconds and not self._told:
                self._told = hung
                self.say(f"waiting for the folder: it has not answered for {hung:.0f} s; is its server away?")
