"""What falls due when, in a loop that comes round often."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Timetable:
    """Monotonic seconds from which on something is to be done again, by name."""

    clock: Callable[[], float] = time.monotonic
    _due: dict[str, float] = field(default_factory=dict)

    def is_due(self, what: str, seconds: float) -> bool:
        """Whether it is time; if so, the next time is that much later."""
        now = self.clock()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + seconds
        return True

    def put_off(self, what: str, seconds: float) -> None:
        self._due[what] = self.clock() + seconds

    def bring_forward(self, what: str, at: float = 0.0) -> None:
        """Due at `at`, or earlier where it was already."""
        self._due[what] = min(self._due.get(what, 0.0), at)
