"""What befalls hosts with a shared folder: power-off, freeze, a cut cable, and a file server that crashes."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Final

from orchestrator.faults.plugins import Fault, Scene
from tests.soak.nfs_lab import Lab
from tests.soak.nfs_place import GuestWorker

_LEASES: Final = (1.5, 3.0)  # how long a guest is away, so that others take it for dead
_SERVER_SECONDS: Final = (1.0, 8.0)  # how long the server is off
_SETTLED_LEASES: Final = 1.5  # after so long every session that was silenced has been ended, if it is to be


def _workers(scene: Scene) -> list[GuestWorker]:
    return [victim for victim in scene.workers if isinstance(victim, GuestWorker)]


@dataclass
class Truce:
    """What the faults of a trial agree on, so that a take-over is timed with somebody there to see to it.

    Attributes:
        is_called: a crash of the server waits: no guest is struck now, or its take-over would be timed with that.
        is_server_off: what is timed now says so.
        witness: is not struck, for it is to miss those who were.
    """

    chance: random.Random
    is_called: bool = False
    is_server_off: bool = False
    witness: GuestWorker | None = None
    _until: float = 0.0

    def targets(self, scene: Scene) -> list[GuestWorker]:
        """Who may be struck now; nobody where that leaves no witness."""
        well = [victim for victim in _workers(scene) if victim.is_well]
        if self.is_called or len(well) < 2:
            return []
        if self.witness not in well or time.monotonic() > self._until:
            self.witness = self.chance.choice(well)
        return [victim for victim in well if victim is not self.witness]

    def struck(self, scene: Scene) -> None:
        """Somebody was: the witness stays until that was missed."""
        self._until = time.monotonic() + _SETTLED_LEASES * scene.lease_seconds


class _Blow(Fault):
    """A guest is struck when that is due, or as soon after as another is there to miss it."""

    how = ""

    def __init__(self, every: float, chance: random.Random, truce: Truce) -> None:
        super().__init__(every, chance)
        self.truce = truce
        self._is_due = False

    def strike(self, scene: Scene) -> None:
        self._is_due = True
        self._strike_if_possible(scene)

    def tend(self, scene: Scene) -> None:
        self._strike_if_possible(scene)

    def calm(self, scene: Scene) -> None:
        self._is_due = False

    def _strike_if_possible(self, scene: Scene) -> None:
        if self._is_due and (targets := self.truce.targets(scene)):
            self._is_due = False
            self.truce.struck(scene)
            victim = self.chance.choice(targets)
            self.counts[victim.guest.name] += 1
            victim.guest.lab.note(f"{self.name} {victim.guest.name}")
            scene.on_silenced(victim, self.how + (" with the server off" if self.truce.is_server_off else ""))
            victim.is_stopped = True
            self.hit(victim, scene)

    def hit(self, victim: GuestWorker, scene: Scene, /) -> None:
        """Do it."""


class PowerOff(_Blow):
    """A guest loses its power, and is switched on again with a new worker."""

    name, how = "power-off", "powered off"

    def hit(self, victim: GuestWorker, _scene: Scene) -> None:
        victim.power_off()


class _Away(_Blow):
    """A guest is away for longer than its lease, comes back, and knows nothing of it."""

    def __init__(self, every: float, chance: random.Random, truce: Truce) -> None:
        super().__init__(every, chance, truce)
        self._until: list[tuple[float, GuestWorker]] = []

    def leave(self, victim: GuestWorker, /) -> None:
        """Take a guest away."""

    def come_back(self, victim: GuestWorker, /) -> None:
        """Bring it back."""

    def hit(self, victim: GuestWorker, scene: Scene) -> None:
        self.leave(victim)
        self._until.append((time.monotonic() + self.chance.uniform(*_LEASES) * scene.lease_seconds, victim))

    def tend(self, scene: Scene) -> None:
        for entry in [entry for entry in self._until if entry[0] <= time.monotonic()]:
            self._return(entry)
        super().tend(scene)

    def calm(self, scene: Scene) -> None:
        super().calm(scene)
        for entry in list(self._until):
            self._return(entry)

    def _return(self, entry: tuple[float, GuestWorker]) -> None:
        self._until.remove(entry)
        _, victim = entry
        self.come_back(victim)
        victim.guest.lab.note(f"{victim.guest.name} is back")
        victim.was_cut_off()
        victim.is_stopped = False


class Freeze(_Away):
    """A guest's kernel stands still: all its clocks jump when it goes on."""

    name, how = "freeze", "frozen"

    def leave(self, victim: GuestWorker) -> None:
        victim.guest.freeze()

    def come_back(self, victim: GuestWorker) -> None:
        victim.guest.thaw()


class CableCut(_Away):
    """A guest runs on, but reaches nobody."""

    name, how = "cable cut", "cut off"

    def leave(self, victim: GuestWorker) -> None:
        victim.guest.cut_cable()

    def come_back(self, victim: GuestWorker) -> None:
        victim.guest.plug_in()


class ServerCrash(Fault):
    """The file server loses its power, and comes back with what its disk holds."""

    name, how = "server crash", ""

    def __init__(self, every: float, chance: random.Random, truce: Truce, lab: Lab) -> None:
        super().__init__(every, chance)
        self.truce, self.lab = truce, lab
        self._on_at = 0.0
        self._well_since = 0.0

    def strike(self, scene: Scene) -> None:
        if not self.truce.is_server_off:
            self.truce.is_called = True

    def tend(self, scene: Scene) -> None:
        now = time.monotonic()
        if self.truce.is_server_off and now >= self._on_at:
            self._switch_on(scene)
        if not all(victim.is_well for victim in _workers(scene)):
            self._well_since = now
        if self.truce.is_called and now - self._well_since > _SETTLED_LEASES * scene.lease_seconds:
            self.truce.is_called, self.truce.is_server_off = False, True
            self._on_at = now + self.chance.uniform(*_SERVER_SECONDS)
            self.counts["crashed and back"] += 1
            self.lab.note(self.name)
            self.lab.server.power_off()

    def calm(self, scene: Scene) -> None:
        self.truce.is_called = False
        if self.truce.is_server_off:
            self._switch_on(scene)
        self.lab.wait_for_server()

    def _switch_on(self, scene: Scene) -> None:
        self.truce.is_server_off = False
        self.lab.start_server(wait=False)
        self.lab.note("server is on")
        for victim in _workers(scene):
            victim.was_cut_off()
