"""What may happen to a job next: pure decisions over what its registers say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from jobs.layout import Register
from jobs.records import End

MAX_EVICTED: Final = 5
MAX_INTERRUPTED: Final = 100  # preempted or released
BACKOFF_SECONDS: Final = 30.0
MAX_BACKOFF_SECONDS: Final = 600.0

FINAL_KINDS: Final = frozenset({End.DONE, End.CANCELLED})
FAILURES: Final = frozenset({End.FAILED, End.OOM})
INTERRUPTIONS: Final = frozenset({End.PREEMPTED, End.RELEASED})


@dataclass(frozen=True, slots=True)
class Names:
    """What a listing shows of one job: the numbers of its claims, ends and voids. It may be late, never wrong."""

    claims: frozenset[int] = frozenset()
    ends: frozenset[int] = frozenset()
    voids: frozenset[int] = frozenset()

    @property
    def top_claim(self) -> int:
        """The largest attempt with a claim; 0: none."""
        return max(self.claims, default=0)

    @property
    def top(self) -> int:
        """The largest attempt with a claim or an end; 0: none. It alone decides the job's state."""
        return max(max(self.claims, default=0), max(self.ends, default=0))

    def merged(self, other: Names) -> Names:
        """Both listings' knowledge: registers are never removed, so the union is true."""
        return Names(self.claims | other.claims, self.ends | other.ends, self.voids | other.voids)


NOTHING: Final = Names()


def group_names(registers: Iterable[Register | None]) -> dict[str, Names]:
    """A shard's listing by job; strangers (None) are left out."""
    parts: dict[str, tuple[set[int], set[int], set[int]]] = {}
    for register in registers:
        if register is None:
            continue
        claims, ends, voids = parts.setdefault(register.job, (set(), set(), set()))
        {"": claims, ".end": ends, ".void": voids}[register.suffix].add(register.attempt)
    return {job: Names(*map(frozenset, sets)) for job, sets in parts.items()}


class Verdict(Enum):
    """Why a job is not claimed."""

    DONE = "done"
    CANCELLED = "cancelled"
    SPENT = "failed for good"
    NAN = "not a number: it would repeat bit for bit"
    NEEDS = "needs a job that is not done"
    UNSEEN = "an end below the top has not been read"


@dataclass(frozen=True, slots=True)
class Policy:
    """The bounds of one job."""

    max_attempts: int = 3


@dataclass(frozen=True, slots=True)
class History:
    """Everything read of a job's attempts.

    Attributes:
        top_claim: the largest claimed attempt.
        ends: attempt -> kind, of every end that was read.
        voids: attempts whose end no longer counts.
    """

    top_claim: int
    ends: Mapping[int, End] = field(default_factory=dict)
    voids: frozenset[int] = frozenset()


def next_attempt(history: History, policy: Policy) -> int | Verdict:
    """The attempt that may be claimed now, or why none may.

    The fence: attempt N may be tried only after the end of N-1 (and of every one below) has been read.
    """
    if any(number not in history.ends for number in range(1, history.top_claim + 1)):
        return Verdict.UNSEEN
    following = history.top_claim + 1
    if (verdict := final_verdict(history, policy)) is not None:
        return verdict
    return following


def final_verdict(history: History, policy: Policy) -> Verdict | None:
    """Why the job's ends so far rule out another attempt; None: they do not."""
    top = max(history.top_claim, max(history.ends, default=0))
    kind = history.ends.get(top)
    newest_void = max(history.voids, default=0)
    if kind is not None and top not in history.voids:
        if kind is End.DONE:
            return Verdict.DONE
        if kind is End.CANCELLED:
            return Verdict.CANCELLED
        if kind is End.NAN:
            return Verdict.NAN
    counted = [end for number, end in history.ends.items() if number > newest_void]
    return Verdict.SPENT if is_spent(counted, policy) else None


def is_spent(counted: list[End], policy: Policy) -> bool:
    """Whether the ends above the newest void use a budget up."""
    return (
        sum(end in FAILURES for end in counted) >= policy.max_attempts
        or sum(end is End.EVICTED for end in counted) >= MAX_EVICTED
        or sum(end in INTERRUPTIONS for end in counted) >= MAX_INTERRUPTED
    )


def backoff_seconds(history: History) -> float:
    """How long to wait after the top attempt's end: 30 s x 2^k after a failure, at most 10 min; else nothing."""
    top = max(history.ends, default=0)
    newest_void = max(history.voids, default=0)
    if history.ends.get(top) not in FAILURES or top <= newest_void:
        return 0.0
    failures = sum(end in FAILURES for number, end in history.ends.items() if number > newest_void)
    doublings = min(failures - 1, 10)  # a large budget must not overflow
    return min(BACKOFF_SECONDS * 2.0**doublings, MAX_BACKOFF_SECONDS)


def is_left_over(history: History) -> bool:
    """Whether an evicted, released or preempted attempt has left this job: such jobs go first."""
    kind = history.ends.get(max(history.ends, default=0))
    return kind is End.EVICTED or kind in INTERRUPTIONS
