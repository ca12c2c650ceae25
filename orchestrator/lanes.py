"""The jobs of an experiment in the order in which they are tried, each with a mark of where it stands.

A lane holds the jobs that ask for the same resources, so that a worker without room for one of them passes all of them
over at once. Marks lie in one array of bytes: the next job that is ready is found without looking at every job.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import repeat
from typing import Any, Final, NamedTuple

from jobs.plan import POLICY, PlanIndex


class Mark(IntEnum):
    """Where a job stands, for one worker."""

    FRESH = ord("f")  # ready, in its turn
    LEFT = ord("l")  # ready, and first: an attempt that was interrupted has left it
    OPEN = ord("o")  # an attempt of it is open, as far as is known
    LATER = ord("b")  # left alone for a while, by this worker's clock
    NEEDS = ord("n")  # another job is to be done first
    DONE = ord("d")
    NEVER = ord("x")  # final, or it needs what will not come
    HELD = ord("h")  # a person holds it back
    HELD_OPEN = ord("r")  # the same, while an attempt of it is open


READY = (Mark.LEFT, Mark.FRESH)
LIVE = (Mark.FRESH, Mark.LEFT, Mark.OPEN, Mark.LATER, Mark.NEEDS)
HELD = (Mark.HELD, Mark.HELD_OPEN)


class Shape(NamedTuple):
    """All of a job that says which resources it takes (`orchestrator.pool.need_of`)."""

    kind: str
    ranks: int
    gpus: int | None


_KIND: Final = '"kind":"'
_RANKS: Final = '"ranks":'


def shape_of(line: str) -> Shape:
    """The shape of a plan line, parsed only where a plain look does not tell."""
    if POLICY not in line and _RANKS not in line and line.count(_KIND) == 1:
        return Shape(line.partition(_KIND)[2].partition('"')[0], 1, None)
    body: dict[str, Any] = json.loads(line.partition("\t")[2])
    ranks = body["content"].get("train", {}).get("ranks", 1) if body["kind"] == "train" else 1
    return Shape(body["kind"], ranks, body.get("policy", {}).get("gpus"))


def only_shape(plan: PlanIndex) -> Shape | None:
    """The shape of all jobs of a plan, where a look at the plan as a whole tells; None: it does not."""
    lines, number = plan.lines, len(plan.order) + plan.updated
    if not plan.order or plan.has_policies or lines.count(_RANKS.encode()):
        return None
    shape = shape_of(lines[plan.order[0]])
    is_plain = lines.count(_KIND.encode()) == number == lines.count(f'{_KIND}{shape.kind}"'.encode())
    return shape if is_plain else None


class Level(NamedTuple):
    """Jobs of one level go before those of any greater one: higher priority first, then what was left."""

    minus_priority: int
    is_fresh: bool


@dataclass(slots=True)
class Lane:
    """Jobs of one shape, by priority and plan order.

    Attributes:
        jobs: their ids; priorities, places: of each, the place in the plan.
        marks: of each, a `Mark`.
    """

    shape: Shape
    jobs: list[str] = field(default_factory=list)
    priorities: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    marks: bytearray = field(default_factory=bytearray)

    def extend(self, jobs: Sequence[str], priority: int, first_place: int) -> range:
        """Add jobs planned one after the other that come after all others; their indices."""
        first = len(self.jobs)
        self.jobs += jobs
        self.priorities += repeat(priority, len(jobs))
        self.places += range(first_place, first_place + len(jobs))
        self.marks += bytes([Mark.FRESH]) * len(jobs)
        return range(first, len(self.jobs))

    def takes(self, priority: int) -> bool:
        """Whether a job of this priority, planned last, may be appended."""
        return not self.priorities or priority <= self.priorities[-1]

    def first_level(self) -> Level | None:
        """The level of what is to be tried first; None: nothing is ready."""
        found = [
            Level(-self.priorities[index], mark is Mark.FRESH)
            for mark in READY
            if (index := self.marks.find(mark)) >= 0
        ]
        return min(found, default=None)

    def ready(self, level: Level, most: int) -> list[int]:
        """Indices of what is ready at a level, in plan order; not more than so many."""
        mark = Mark.FRESH if level.is_fresh else Mark.LEFT
        low = bisect.bisect_left(self.priorities, level.minus_priority, key=int.__neg__)
        high = bisect.bisect_right(self.priorities, level.minus_priority, key=int.__neg__)
        found: list[int] = []
        index = self.marks.find(mark, low, high)
        while index >= 0 and len(found) < most:
            found.append(index)
            index = self.marks.find(mark, index + 1, high)
        return found

    def count(self, *marks: Mark) -> int:
        """How many jobs carry one of these marks."""
        return sum(self.marks.count(mark) for mark in marks)

    def has(self, *marks: Mark) -> bool:
        """Whether any job carries one of these marks."""
        return any(mark in self.marks for mark in marks)
