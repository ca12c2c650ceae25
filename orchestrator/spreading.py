"""Who takes which of the jobs that come next, so that workers rarely want the same one.

Nobody hands anything out: every worker knows the open sessions, and weighs each of them for each job by a hash. The job
is first of all for the session with the greatest weight. So workers that agree on who is there never meet; and where a
session's share is left standing (it runs something long, or died) the others divide it among themselves in the same
way, beginning with what its owner would come to last.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Final, NamedTuple, TypeVar

# Of another's share only a few at a time: its owner is at work on it.
MOST_OF_OTHERS: Final = 8
_MASK: Final = (1 << 64) - 1
_SPREAD: Final = 0x9E3779B97F4A7C15  # of the golden ratio: its multiples lie far apart

T = TypeVar("T")


class Share(NamedTuple):
    """Jobs to try; `is_own`: they are one's own, as far as the others agree on who is there."""

    jobs: list[str]
    is_own: bool


class Crew:
    """A worker among the others.

    Args:
        me: its session.
        others: the other open sessions.
    """

    def __init__(self, me: str, others: Iterable[str]) -> None:
        self._mine, self._others = _seed(me), [_seed(other) for other in others]

    def share(self, jobs: Sequence[str]) -> Share:
        """What to try of the jobs that come next, and in which order.

        One's own share, as shuffled by its weights; where that is empty, a few of what is left of the others', first
        those jobs that one is next in line for.
        """
        numbers = [(zlib.crc32(job.encode()), job) for job in jobs]
        own = [(number * self._mine & _MASK, job) for number, job in numbers if self._is_first(number)]
        if own or not jobs:
            return Share([job for _, job in sorted(own, reverse=True)], is_own=True)
        few = max(1, min(MOST_OF_OTHERS, len(jobs) // (2 * len(self._others))))
        ranked = sorted((*self._rank(number), job) for number, job in numbers)
        return Share([job for _, _, job in ranked[:few]], is_own=False)

    def _is_first(self, number: int) -> bool:
        mine = number * self._mine & _MASK
        return all(number * other & _MASK <= mine for other in self._others)

    def _rank(self, number: int) -> tuple[int, int]:
        """How many go before one, and when the first of them comes to the job: the least comes last."""
        mine = number * self._mine & _MASK
        before = [weight for other in self._others if (weight := number * other & _MASK) > mine]
        return len(before), max(before, default=0)


def _seed(sid: str) -> int:
    """A session's odd factor: products with it, modulo 2^64, fall evenly and differently from any other's."""
    return (zlib.crc32(sid.encode()) * _SPREAD ^ zlib.crc32(sid[::-1].encode())) & _MASK | 1


def take_turns(queues: Sequence[Sequence[T]]) -> Iterator[T]:
    """One of each in turn, for as long as they last."""
    nothing = object()
    return (item for item in chain.from_iterable(zip_longest(*queues, fillvalue=nothing)) if item is not nothing)  # type: ignore[misc]
