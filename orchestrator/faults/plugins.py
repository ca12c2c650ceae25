"""What a fault is to the engine, and the faults that need nothing special: kills, pauses, exceptions."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.faults.places import Launch, Victim


@dataclass
class Scene:
    """What faults act on.

    Attributes:
        folder: of this host, for what a fault needs.
        root: the shared folder, as the engine sees it; a fault may mount something there before work begins.
        lease_seconds: of every worker.
        workers: those that live.
        on_silenced: to be called with a worker that was just killed or stopped, so that its take-over is timed.
    """

    folder: Path
    root: Path
    lease_seconds: float
    workers: list[Victim] = field(default_factory=list)
    on_silenced: Callable[[Victim, str], None] = lambda _victim, _how: None

    def targets(self) -> list[Victim]:
        """Workers that may be struck: all but the one in slot 0, which sees to it that the others are missed."""
        return [victim for victim in self.workers if not victim.is_stopped and victim.launch.slot > 0]


class Fault:
    """A plug-in of the engine: it may change how workers start, strike them while they run, or spoil the folder.

    Args:
        every: mean seconds between two strikes.
        chance: where all that is random comes from.

    Attributes:
        counts: what was done, by name; a fault that did nothing is a violation.
    """

    name = ""

    def __init__(self, every: float, chance: random.Random) -> None:
        self.every, self.chance = every, chance
        self.counts: Counter[str] = Counter()

    def missing(self) -> str:
        """Which facility is missing here; empty: none."""
        return ""

    def set_up(self, scene: Scene, /) -> None:
        """Before the root is planned, and before any worker starts."""

    def prepare(self, launch: Launch) -> Launch:
        """How a worker is to be started."""
        return launch

    def strike(self, scene: Scene, /) -> None:
        """Once in a while."""

    def tend(self, scene: Scene, /) -> None:
        """At each turn of the engine, several times a second: end what was struck long enough ago."""

    def calm(self, scene: Scene, /) -> None:
        """No faults from now on; what was begun is ended."""

    def tally(self, scene: Scene, /) -> None:
        """When no worker runs any more, before `clean_up`: count what was injected, where that was not done yet."""

    def clean_up(self, scene: Scene, /) -> None:
        """When all is over, however it went."""


class Witness:
    """A plug-in that strikes nobody: it looks on from the beginning to the end, and may see a promise broken.

    Attributes:
        counts: what it did, by name.
        broken: what it saw.
    """

    name = ""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []

    def begin(self, roots: list[Path], /) -> None:
        """Jobs are planned, and workers are about to start.

        Args:
            roots: the shared folder as the engine sees it, then as workers do.
        """

    def end(self) -> None:
        """Nothing is left to do, or the trial is given up; may be called again."""


class Kill(Fault):
    """SIGKILL to a worker."""

    name = "kill"

    def strike(self, scene: Scene) -> None:
        if not (targets := scene.targets()):
            return
        victim = self.chance.choice(targets)
        if victim.send(signal.SIGKILL):
            victim.is_stopped = True
            self.counts["SIGKILL"] += 1
            scene.on_silenced(victim, "killed")


class Pause(Fault):
    """SIGSTOP to a worker, or to all that came of it, and SIGCONT: mostly after others have taken it for dead."""

    name = "pause"

    def __init__(self, every: float, chance: random.Random) -> None:
        super().__init__(every, chance)
        self._until: list[tuple[float, Victim, bool]] = []

    def strike(self, scene: Scene) -> None:
        targets = scene.targets()
        if len(targets) < 2:  # somebody is to go on
            return
        victim, is_whole = self.chance.choice(targets), self.chance.random() < 0.5
        leases = self.chance.uniform(0.5, 3.0)
        if victim.send(signal.SIGSTOP, to_all=is_whole):
            victim.is_stopped = True
            self._until.append((time.monotonic() + leases * scene.lease_seconds, victim, is_whole))
            self.counts["SIGSTOP past the lease" if leases > 1.5 else "SIGSTOP"] += 1
            if leases > 1.5:
                scene.on_silenced(victim, "paused")

    def tend(self, _scene: Scene) -> None:
        now = time.monotonic()
        self._wake([entry for entry in self._until if entry[0] <= now])

    def calm(self, _scene: Scene) -> None:
        self._wake(list(self._until))

    def _wake(self, entries: list[tuple[float, Victim, bool]]) -> None:
        for entry in entries:
            self._until.remove(entry)
            _, victim, is_whole = entry
            victim.send(signal.SIGCONT, to_all=is_whole)
            victim.is_stopped = False


class Raise(Fault):
    """An exception that nobody foresaw, in a worker's main thread."""

    name = "exception"

    def __init__(self, every: float, chance: random.Random) -> None:
        super().__init__(every, chance)
        self._struck: set[int] = set()

    def prepare(self, launch: Launch) -> Launch:
        return replace(launch, module="orchestrator.faults.fallible")

    def strike(self, scene: Scene) -> None:
        targets = [victim for victim in scene.targets() if victim.launch.number not in self._struck]
        targets = [victim for victim in targets if victim.said()]  # it is past its start: the handler stands
        if not targets:
            return
        victim = self.chance.choice(targets)
        if victim.send(signal.SIGUSR1):
            self._struck.add(victim.launch.number)
            victim.expected.add(1)
            self.counts["exceptions"] += 1
