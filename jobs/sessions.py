"""A worker's session, and the watch that finds out whose sessions are over, by the watcher's own clock.

A session is one lease for a whole worker. Its lease file is refreshed in the background; whoever sees it stand still
for the time its owner recorded, on one's own monotonic clock, ends the session by a register that is never removed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from jobs import layout
from jobs.records import Claimer, End, EndRecord
from jobs.store import ABSENT, Failed, Finished, Look, Make, Operation, Put, Read, Reply, Request, Stamp, Unlink, Won

Step = tuple["Operation[Any]", Request] | Finished[Any]

DEFAULT_LEASE_SECONDS: Final = 90.0
CLAIMS_PER_TICKET: Final = 500  # file systems bound the links of one file


# --- opening and closing --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tickets:
    """Paths of a session's ready-made files: complete and on disk, so that ending something needs one name only."""

    claim: str
    released: str
    evicted: str
    closed: str


def tickets(claimer: Claimer, roll: int = 0) -> tuple[Tickets, list[Make]]:
    """A session's tickets and the requests that make them.

    Args:
        claimer: who claims.
        roll: counts the sets of tickets that this session has made so far.
    """
    sid = claimer.sid
    suffix = f"{roll:04d}" if roll else ""
    paths = Tickets(*(layout.ticket(sid, f"{name}{suffix}") for name in ("claim", "released", "evicted", "closed")))
    return paths, [
        Make(paths.claim, claimer.encode()),
        Make(paths.released, EndRecord(End.RELEASED, {"sid": sid, "nonce": f"{sid}-released"}).encode()),
        Make(paths.evicted, EndRecord(End.EVICTED, {"by": sid, "nonce": f"{sid}-evicted"}).encode()),
        Make(paths.closed, EndRecord(End.CLOSED, {"sid": sid, "nonce": f"{sid}-closed"}).encode()),
    ]


class Closing(Enum):
    """What closing a session came to."""

    CLOSED = "the end stands: the lease may be released"
    UNKNOWN = "nobody knows: the lease is left standing, its silence will tell"


@dataclass(frozen=True)
class Close:
    """Put `closed` for a session, before its lease is released."""

    sid: str
    closed: str
    phase: str = "start"

    def step(self, reply: Reply) -> Step:
        if self.phase == "start":
            return replace(self, phase="put"), Put(self.closed, layout.session_end(self.sid))
        return Finished(Closing.CLOSED if reply in {Won.MINE, Won.THEIRS} else Closing.UNKNOWN)


# --- watching -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a watcher has seen of a lease.

    Attributes:
        stamp: as it looked last; None: never seen.
        since: when it was first seen so, seconds on the watcher's monotonic clock.
        looked: when the last good look was answered.
    """

    stamp: Stamp | None = None
    since: float = 0.0
    looked: float = 0.0


def poll_seconds(lease_seconds: float, open_sessions: int) -> float:
    """How long a watcher waits between two looks at the same lease."""
    return max(lease_seconds / 10, 1.0) * max(1, math.ceil(open_sessions / 64))


def sign(stamp: Stamp) -> tuple[int, ...]:
    """What must stand still for a lease to be silent.

    A file with several names is another watcher's ticket, put in the place of a lease that vanished: its change time
    moves whenever its owner links it somewhere else, so that is no sign of life.
    """
    return (stamp.inode, stamp.mtime_ns) if stamp.links > 1 else (stamp.inode, stamp.mtime_ns, stamp.ctime_ns)


def sighted(before: Sighting, stamp: Stamp, poll: float) -> Sighting:
    """The sighting after another good look.

    The count of unchanged time starts again where the lease changed, where the look itself took longer than 2.5 polls,
    or where more than 2.5 polls lie between two looks: then the watcher may have been frozen itself.
    """
    is_gap = stamp.answered - before.looked > 2.5 * poll or stamp.answered - stamp.asked > 2.5 * poll
    if before.stamp is None or is_gap or sign(before.stamp) != sign(stamp):
        return Sighting(stamp, stamp.answered, stamp.answered)
    return Sighting(stamp, before.since, stamp.answered)


def silent_seconds(sighting: Sighting) -> float:
    """How long the lease has stood still, counted from look to look."""
    return sighting.looked - sighting.since


class Watched(Enum):
    """What a look at another's session came to."""

    ALIVE = "nothing proves it over"
    ENDED = "its end stands"


@dataclass(frozen=True, slots=True)
class Looked:
    """A watch's result: the new sighting, and whether the session is over."""

    sighting: Sighting
    outcome: Watched


@dataclass(frozen=True)
class Watch:
    """Look once at a session that has no end that we know of; end it when its owner has been silent for its lease.

    Args:
        owner: whose session, with its own lease.
        evicted: our evicted ticket.
        sighting: of the look before.
        poll: seconds between looks.
        is_gone: the owner was a process of this very host and is no more.
    """

    owner: Claimer
    evicted: str
    sighting: Sighting
    poll: float
    is_gone: bool = False
    phase: str = "start"

    def step(self, reply: Reply) -> Step:
        return _WATCH_STEPS[self.phase](self, reply)

    def to(self, phase: str, request: Request, **changes: Any) -> Step:
        return replace(self, phase=phase, **changes), request

    def done(self, outcome: Watched) -> Finished[Looked]:
        return Finished(Looked(self.sighting, outcome))


def _start(watch: Watch, _: Reply) -> Step:
    return watch.to("read_end", Read(layout.session_end(watch.owner.sid)))


def _read_end(watch: Watch, reply: Reply) -> Step:
    if isinstance(reply, bytes):
        return watch.to("unlinked", Unlink(layout.lease(watch.owner.sid)))
    if watch.is_gone:
        return _evict(watch)
    return watch.to("looked", Look(layout.lease(watch.owner.sid)))


def _evict(watch: Watch) -> Step:
    return watch.to("evicted", Put(watch.evicted, layout.session_end(watch.owner.sid)))


def _looked(watch: Watch, reply: Reply) -> Step:
    if reply is ABSENT:
        # Not silence but a question for the server: only a put can tell that the name is free.
        return watch.to("asked", Put(watch.evicted, layout.lease(watch.owner.sid)))
    if not isinstance(reply, Stamp):
        return replace(watch, sighting=Sighting()).done(Watched.ALIVE)
    seen = sighted(watch.sighting, reply, watch.poll)
    watch = replace(watch, sighting=seen)
    if silent_seconds(seen) >= watch.owner.lease_seconds:
        return _evict(watch)
    return watch.done(Watched.ALIVE)


def _asked(watch: Watch, reply: Reply) -> Step:
    return _evict(watch) if reply is Won.MINE else watch.done(Watched.ALIVE)


def _evicted(watch: Watch, reply: Reply) -> Step:
    if reply not in {Won.MINE, Won.THEIRS}:
        return watch.done(Watched.ALIVE)
    # The vanished lease tells its holder, should there still be one.
    return watch.to("unlinked", Unlink(layout.lease(watch.owner.sid)))


def _unlinked(watch: Watch, _: Reply) -> Step:
    return watch.done(Watched.ENDED)


_WATCH_STEPS: Final = {
    "start": _start,
    "read_end": _read_end,
    "looked": _looked,
    "asked": _asked,
    "evicted": _evicted,
    "unlinked": _unlinked,
}


# --- one's own session ----------------------------------------------------------------------------------------------


class Standing(Enum):
    """What a worker finds when it looks at its own session."""

    GOOD = "no end stands"
    LOST = "somebody ended it"
    UNSEEN = "the folder did not say"


@dataclass(frozen=True)
class LookAtOwn:
    """Look for an end of one's own session.

    The folder is asked of its server first: a client that once found no such name goes on believing that for a while.
    """

    sid: str
    phase: str = "start"

    def step(self, reply: Reply) -> Step:
        if self.phase == "start":
            return replace(self, phase="asked"), Look(layout.SESSIONS)
        if self.phase == "asked":
            if isinstance(reply, Failed):
                return Finished(Standing.UNSEEN)
            return replace(self, phase="read"), Read(layout.session_end(self.sid))
        if isinstance(reply, Failed):
            return Finished(Standing.UNSEEN)
        return Finished(Standing.LOST if isinstance(reply, bytes) else Standing.GOOD)


def encode_note(note: dict[str, Any]) -> bytes:
    """What a session says of itself, for people."""
    return json.dumps(note, separators=(",", ":")).encode() + b"\n"
