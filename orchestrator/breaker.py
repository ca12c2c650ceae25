"""The circuit breaker: what fails alike from its first jobs on is not worth the rest, nor is a broken host."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from jobs.claims import FAILURES, INTERRUPTIONS
from jobs.records import End

EXPERIMENT_ENDS: Final = 3
HOST_ENDS: Final = 10

# What differs from one job to the next although the error is the same: addresses, hashes, numbers.
_VARYING: Final = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}\b|\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Tripped:
    """What a worker claims no more.

    Attributes:
        experiment: its name; empty: everything.
        error: of the end that was one too many.
    """

    experiment: str
    error: str

    def __str__(self) -> str:
        if self.experiment:
            return f"{self.experiment}: its first {EXPERIMENT_ENDS} attempts here failed alike ({self.error})"
        return f"{HOST_ENDS} attempts in a row failed here, the last with: {self.error}"


@dataclass
class Breaker:
    """Counts the failures of one worker.

    Attempts that were interrupted tell nothing either way. One that was done, or came to NaN, shows that the host can
    compute.

    Attributes:
        tripped: in the order in which it happened.
    """

    tripped: list[Tripped] = field(default_factory=list)
    _first: dict[str, list[str] | None] = field(default_factory=dict)
    _in_a_row: int = 0

    @property
    def is_host_broken(self) -> bool:
        """Whether nothing at all is to be claimed any more."""
        return any(not trip.experiment for trip in self.tripped)

    def ended(self, experiment: str, job: str, kind: End, error: str) -> Tripped | None:
        """Take in how an attempt ended; what is not to be claimed any more from now on."""
        if kind in INTERRUPTIONS:
            return None
        found = self._of_experiment(experiment, kind, signature(error, job)) or self._of_host(kind)
        if found is None:
            return None
        trip = Tripped(found.experiment, error)
        self.tripped.append(trip)
        return trip

    def _of_experiment(self, experiment: str, kind: End, error: str) -> Tripped | None:
        seen = self._first.setdefault(experiment, [])
        if seen is None:
            return None
        if kind not in FAILURES or (seen and seen[0] != error):
            self._first[experiment] = None
            return None
        seen.append(error)
        return Tripped(experiment, error) if len(seen) == EXPERIMENT_ENDS else None

    def _of_host(self, kind: End) -> Tripped | None:
        self._in_a_row = self._in_a_row + 1 if kind in FAILURES else 0
        return Tripped("", "") if self._in_a_row == HOST_ENDS else None


def signature(error: str, job: str) -> str:
    """An error without what differs between jobs that fail alike."""
    return _VARYING.sub("#", error.replace(job, "JOB"))
