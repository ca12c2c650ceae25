"""How long it takes until a worker that fell silent is missed: from the blow to its session's end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.faults.ground import Ground
from orchestrator.faults.places import Victim


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A session that was silenced while it held attempts, and how many seconds later it was ended by another."""

    path: str
    seconds: float


@dataclass
class _Awaited:
    sid: str
    path: str
    since: float
    victim: Victim


@dataclass
class TakeOvers:
    """Times the take-overs of a trial; `tend` is to be called often."""

    ground: Ground
    clock: Callable[[], float] = time.monotonic
    seen: list[TakeOver] = field(default_factory=list)
    _awaited: list[_Awaited] = field(default_factory=list)

    def silenced(self, victim: Victim, how: str) -> None:
        """A worker was killed or stopped just now: wait for the ends of its sessions that hold something."""
        now = self.clock()
        for sid, who in self.ground.owners().items():
            if victim.owns(who) and not self.ground.has_ended(sid):
                self._awaited.append(_Awaited(sid, how, now, victim))

    @property
    def is_waiting(self) -> bool:
        """Whether a silenced session has not been ended yet."""
        return bool(self._awaited)

    def tend(self) -> None:
        for awaited in list(self._awaited):
            if self.ground.has_ended(awaited.sid):
                self.seen.append(TakeOver(awaited.path, self.clock() - awaited.since))
                self._awaited.remove(awaited)
            elif not awaited.victim.is_stopped:
                self._awaited.remove(awaited)  # it went on before it was missed
