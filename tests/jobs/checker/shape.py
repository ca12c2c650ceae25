"""How big a world is to be explored, and the names in it."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from jobs import layout
from jobs.records import Claimer
from jobs.sessions import Tickets, tickets

EXPERIMENT: Final = "exp"
LEASE_SECONDS: Final = 90.0
SID: Final = re.compile(r"[0-9a-f]{16}")
# Room beyond the explored bounds, in which a survivor may finish what it finds.
SPARE_ATTEMPTS: Final = 3
SPARE_SESSIONS: Final = 2


@dataclass(frozen=True)
class Shape:
    """The bounds of a world.

    Attributes:
        workers, jobs: how many.
        attempts: what would claim a later attempt is cut off, and counted.
        sessions: how many a worker may open, one after another (lost, or started again after it left or crashed).
        slots: how many attempts a worker runs at a time.
        commands: for each operator, how many commands it gives.
        faults: how many accidents a trace may have; None: any number.
        has_late_puts: whether a put without reply may also take effect at any later time.
        spare_sessions: how many all workers together may open besides their first.
        remembers: whether a worker keeps what listings showed it. If not, each claim goes by any part of what is there,
            so all that late and partial listings can do is done, with no memory of them to tell states apart.
        is_reduced: whether what no decision reads is left out of the states.
    """

    workers: int = 2
    jobs: int = 1
    attempts: int = 3
    sessions: int = 2
    slots: int = 1
    commands: tuple[int, ...] = (1,)
    faults: int | None = 3
    has_late_puts: bool = False
    spare_sessions: int = 9
    remembers: bool = False
    is_reduced: bool = True

    @property
    def nobody(self) -> str:
        """A session that has ended long ago: of claims whose owner nobody asks for any more."""
        return sid_of(self.workers + 1, 0)

    @property
    def job_ids(self) -> list[str]:
        return [job_id(number) for number in range(self.jobs)]


# Jobs of one shard, so that one may stand for the other.
_SHARD: Final = layout.shard("job-0000")
JOBS: Final = tuple(
    itertools.islice((id_ for number in range(9999) if layout.shard(id_ := f"job-{number:04d}") == _SHARD), 4)
)


def job_id(number: int) -> str:
    return JOBS[number]


def job_number(job: str) -> int:
    return JOBS.index(job)


def sid_of(worker: int, number: int) -> str:
    """The name of a worker's session; a survivor's worker number is one past the others'."""
    return f"{worker:08x}{number:08x}"


def worker_of(sid: str) -> int:
    return int(sid[:8], 16)


@lru_cache(maxsize=1024)
def claimer_of(sid: str) -> Claimer:
    return Claimer(sid, "host", "boot", "ns", 1, 1, LEASE_SECONDS)


@lru_cache(maxsize=1024)
def tickets_of(sid: str, roll: int = 0) -> Tickets:
    return tickets(claimer_of(sid), roll)[0]


def temp_of(sid: str, job: str, attempt: int, kind: str) -> str:
    """A session's private file with the record of an attempt's end."""
    return layout.ticket(sid, f"end.{job}.{attempt:04d}.{kind}")


# What a file holds can be told from its private path, but for those of commands.
TEMP: Final = re.compile(r"\.end\.(job-\d{4})\.(\d{4})\.(\w+)$")
