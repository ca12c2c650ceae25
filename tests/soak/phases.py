"""What a soak goes through: which workers, where, under which faults, and for which part of the time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.faults.places import Local, Namespaces, Place
from orchestrator.faults.plugins import Fault, Kill, Pause, Raise
from tests.soak.faulty_folder import FaultyFolder
from tests.soak.full_disk import FullDisk
from tests.soak.operator import Operator
from tests.soak.skew import Skew
from tests.soak.system_calls import SystemCalls


@dataclass(frozen=True)
class Phase:
    """A part of a soak.

    Attributes:
        faults: plug-ins, with the mean seconds between two strikes of theirs.
        essential: the plug-in without which the phase would test nothing; it is skipped then.
        share: of the soak's time.
        places: slot k is started in the k-th of them, round and round; slot 0 is never killed or stopped.
    """

    name: str
    faults: Sequence[tuple[type[Fault], float]]
    essential: type[Fault]
    share: float
    places: Sequence[type[Local] | type[Namespaces]] = (Local, Local, Namespaces, Namespaces)

    def plug_ins(self, seed: int) -> list[Fault]:
        return [kind(every, random.Random(f"{seed} {self.name} {kind.name}")) for kind, every in self.faults]

    def own_places(self) -> list[Place]:
        """One of each kind, in the order of the slots; what this host has not got falls away."""
        made: dict[str, Place] = {kind.name: kind() for kind in self.places}
        return [made[kind.name] for kind in self.places]


PHASES = (
    Phase("processes", ((Kill, 1.5), (Pause, 4.0), (Raise, 5.0), (Skew, 3600.0), (Operator, 1.0)), Kill, 0.3),
    Phase("faulty folder", ((FaultyFolder, 2.0), (Kill, 5.0), (Operator, 2.0)), FaultyFolder, 0.25),
    Phase("system calls", ((SystemCalls, 3600.0), (Kill, 3.0)), SystemCalls, 0.15),
    Phase("full disk", ((FullDisk, 8.0), (Kill, 6.0)), FullDisk, 0.1),
    Phase(
        "all at once",
        ((FaultyFolder, 3.0), (SystemCalls, 3600.0), (Kill, 4.0), (Pause, 8.0), (Raise, 10.0), (Skew, 3600.0)),
        FaultyFolder,
        0.2,
    ),
)
