"""What decisions can tell apart: listings and operations without what no later step reads."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from jobs import layout
from jobs.claims import Names, group_names
from jobs.queue import Claim
from jobs.records import EndRecord
from jobs.sessions import Sighting, Watch
from jobs.verbs import Cancel, Requeue

PUTTING: Final = {"again", "put_claim", "look_for_cancel", "list_again", "give_back"}
_BEFORE_LOOK: Final = {"start", "read_end", "looked"}


class Kept(dict[Any, Any]):
    """A mapping that is never changed again, so that operations which hold one can be told apart quickly."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


_EMPTY: Final = Kept()


# --- listings -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def stale_listings(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """A listing without any of its newest names: one of each kind that decisions could tell apart.

    What concerns an attempt below the last two is always shown: nobody decides by it once a later name is seen.
    """
    registers = [register for name in names if (register := layout.parse_register(name))]
    tops = {job: max(other.attempt for other in registers if other.job == job) for job in {r.job for r in registers}}
    late = [name for name, register in zip(names, registers, strict=True) if register.attempt >= tops[register.job] - 1]
    found = {seen_by(names): names}
    for mask in range(2 ** len(late)):
        hidden = {name for number, name in enumerate(late) if mask >> number & 1}
        kept = tuple(name for name in names if name not in hidden)
        found.setdefault(seen_by(kept), kept)
    return tuple(kept for kept in found.values() if kept != names)


def seen_by(names: tuple[str, ...]) -> frozenset[tuple[str, Names]]:
    """What of a listing decisions can depend on, by job."""
    grouped = group_names(map(layout.parse_register, names))
    return frozenset((job, telling(names)) for job, names in grouped.items())


def telling(names: Names) -> Names:
    """The part of what a worker knows of a job's names that decisions read.

    The top claim; ends from there on, as those below are opened by name whether a listing showed them or not; and the
    newest void: that one alone can be the top end's, and no end at or below it counts.
    """
    top = names.top_claim
    ends = frozenset(number for number in names.ends if number >= top)
    return Names(frozenset({top}) - {0}, ends, frozenset({max(names.voids, default=0)}) - {0})


# --- operations -----------------------------------------------------------------------------------------------------


def plain(operation: Any) -> Any:
    """The same operation without what no later step reads, so that fewer differ."""
    if isinstance(operation, Claim):
        return _plain_claim(operation)
    if isinstance(operation, Cancel | Requeue):
        # One that gives up after so many tries has done nothing, as one that stops in the middle.
        return replace(operation, names=telling(operation.names), tries=0)
    if isinstance(operation, Watch) and operation.phase not in _BEFORE_LOOK:
        return replace(operation, sighting=Sighting())
    return operation


def hashable(operation: Any) -> Any:
    if not isinstance(operation, Claim):
        return operation
    known = Kept({number: EndRecord(record.kind, _EMPTY) for number, record in operation.known.items()})
    return replace(operation, known=known)


def _plain_claim(claim: Claim) -> Claim:
    """Once the put is chosen, only an end of that attempt is read; the voids are listed once more."""
    if claim.phase in PUTTING:
        ends = claim.names.ends & {claim.attempt}
        me = replace(claim.me, past=frozenset(), running=frozenset(), tried=frozenset())
        return replace(claim, me=me, names=Names(frozenset(), ends, frozenset()), known=_EMPTY)
    return hashable(claim)  # type: ignore[no-any-return]
