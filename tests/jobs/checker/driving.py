"""Operations driven over a folder, one request at a time, with every reply that the folder might give.

Requests that nobody else can notice or disturb are answered at once, in the same turn:

- private files (Make, Unlink of one's own), Sync, and the `result` link (Point, and what Publish lists and reads to set
  it): no register, and so no decision of anybody, depends on them;
- a Read of a register that is there: registers are never removed or rewritten, so it would give the same answer at any
  later time, and it changes nothing. That it may fail is kept, as a branch of its own;
- a Put to a register that is there, which can only lose, and the Unlink of a lease whose session has an end;
- what a Watch reads and looks at before it puts. Were the session ended in between, nothing that it does would show
  (its put loses, and the lease of an ended session tells nobody anything); were the lease removed, its later look would
  find that, as a later Watch does; and that a lease is taken for silent though it beats is an accident of its own.

What remains (Put, List, Unlink of a lease, and a Read of what is not there yet) is one turn each.
`test_checker.py` compares a small world with one in which every request is a turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from jobs import layout
from jobs.queue import Claim, Publish
from jobs.sessions import Watch
from jobs.store import (
    ABSENT,
    Failed,
    Finished,
    List,
    Look,
    Make,
    Operation,
    Point,
    Put,
    Read,
    Reply,
    Request,
    Sync,
    Unlink,
    Won,
)
from jobs.verbs import Cancel, Requeue
from tests.jobs.checker.files import Files
from tests.jobs.checker.folder import Folder
from tests.jobs.checker.telling import hashable, plain, stale_listings

AWAY: Final = Failed("server away")
BEYOND: Final = "beyond the bounds"


class At:
    """An operation that waits for the answer to a request; one object for all that are alike."""

    __slots__ = ("operation", "request")

    def __init__(self, operation: Any, request: Any) -> None:
        self.operation, self.request = operation, request


Where = At | Finished[Any]


@dataclass(frozen=True)
class Turn:
    """One answered request, and all that followed at once.

    Attributes:
        cost: how many accidents that took.
        text: what was asked and answered, for people.
        made: private files that were made on the way.
    """

    where: Where
    folder: Folder
    cost: int = 0
    text: str = ""
    made: tuple[tuple[str, bytes], ...] = ()


class Driver:
    """Carries operations on, and remembers every step, so that the real code runs once for each that differs.

    Args:
        files: the folder's names.
        limit: an attempt above it is not claimed.
        has_accidents: whether requests may go wrong.
    """

    def __init__(self, files: Files, limit: int, *, has_accidents: bool = True) -> None:
        self.files, self.limit, self.has_accidents = files, limit, has_accidents
        self.is_reduced = files.shape.is_reduced
        self._ats: dict[tuple[Operation[Any], Request | None], At] = {}
        self._steps: dict[tuple[At, Reply], Where] = {}
        self._starts: dict[Operation[Any], Where] = {}
        self.beyond = _places_beyond(files, limit)

    # --- steps of the real code -------------------------------------------------------------------------------------

    def start(self, operation: Operation[Any]) -> Where:
        if operation not in self._starts:
            self._starts[operation] = self._where(operation.step(None))
        return self._starts[operation]

    def step(self, at: At, reply: Reply) -> Where:
        key = (at, reply)
        if key not in self._steps:
            self._steps[key] = self._where(at.operation.step(reply))
        return self._steps[key]

    def at(self, operation: Operation[Any], request: Request | None) -> At:
        return self._ats.setdefault((operation, request), At(operation, request))

    def _where(self, outcome: tuple[Operation[Any], Request] | Finished[Any]) -> Where:
        if isinstance(outcome, Finished):
            return outcome
        operation, request = outcome
        return self.at(plain(operation) if self.is_reduced else hashable(operation), request)

    # --- turns ------------------------------------------------------------------------------------------------------

    def begin(self, operation: Operation[Any], folder: Folder, made: Mapping[str, bytes] | None = None) -> list[Turn]:
        """An operation from its start through its first request that others may notice."""
        turns: list[Turn] = []
        for turn in self.settle(Turn(self.start(operation), folder)):
            if isinstance(turn.where, Finished):
                turns.append(turn)
            else:
                turns += [joined(turn, more) for more in self.turns(turn.where, folder, made)]
        return turns

    def turns(self, at: At, folder: Folder, made: Mapping[str, bytes] | None = None) -> list[Turn]:
        """Every answer to a request, each with what follows at once; what lies beyond the bounds is given up."""
        if isinstance(at.request, Put) and at.request.dst in self.beyond:
            return [Turn(Finished(BEYOND), folder, text=f" {_told(at.request)} lies BEYOND the bounds")]
        return [
            joined(answered, end)
            for answered in self._answers(at, folder, made or {})
            for end in self.settle(replace(answered, text="", cost=0), made)
        ]

    def settle(self, turn: Turn, made: Mapping[str, bytes] | None = None) -> list[Turn]:
        """Answer at once what nobody else can notice or disturb."""
        known = {**(made or {}), **dict(turn.made)}
        if isinstance(turn.where, Finished) or (replies := self._at_once(turn.where, turn.folder, known)) is None:
            return [turn]
        return [
            end
            for cost, text, reply in replies
            for end in self.settle(
                replace(
                    turn,
                    where=self.step(turn.where, reply),
                    cost=turn.cost + cost,
                    text=turn.text + text,
                    made=turn.made + _made_by(turn.where.request),
                ),
                made,
            )
        ]

    def _at_once(self, at: At, folder: Folder, made: Mapping[str, bytes]) -> list[tuple[int, str, Reply]] | None:
        request = at.request
        if self._is_private(request, folder):
            return [(0, "", None)]
        if self._concerns_nobody(at):
            return [(0, "", self._true_answer(request, folder))]
        if self.is_reduced and isinstance(request, Put):
            return self._put_in_vain(at, request, folder, made)
        return self._look_at_once(at, request, folder) if self.is_reduced else None

    def _is_private(self, request: Request, folder: Folder) -> bool:
        """Its own files, and the lease of a session with an end, which tells nobody anything."""
        if isinstance(request, Unlink):
            is_over = self.is_reduced and self.files.is_over(folder, request.path)
            return is_over or request.path not in self.files.place
        return isinstance(request, Make | Sync | Point)

    def _look_at_once(self, at: At, request: Request, folder: Folder) -> list[tuple[int, str, Reply]] | None:
        if not isinstance(request, Read | Look):
            return None
        true = self._true_answer(request, folder)
        is_old = isinstance(at.operation, Watch) and at.operation.sighting.stamp is not None
        hidden = [(1, f" [{_short(request.path)} DOES NOT SHOW]", ABSENT)]
        if true is ABSENT and not isinstance(at.operation, Watch):
            return None
        is_hideable = self.has_accidents and true is not ABSENT and not is_old
        return [(0, f" [{_told(request)} -> {_reply(true)}]", true), *(hidden if is_hideable else [])]

    def _put_in_vain(
        self, at: At, request: Put, folder: Folder, made: Mapping[str, bytes]
    ) -> list[tuple[int, str, Reply]] | None:
        """A register that is there stays as it is: each later answer would be the same. None: it is not there."""
        place = self.files.place.get(request.dst)
        if place is None or place in self.files.leases or request.src in self.files.place or not folder[place]:
            return None
        won, _ = self.files.put(folder, request.src, request.dst, made)
        may_be_lost = self.has_accidents and not isinstance(at.operation, Cancel | Requeue)  # those ask at once again
        lost = [(1, f" [{_told(request)} -> UNKNOWN (NO REPLY)]", Won.UNKNOWN)]
        return [(0, f" [{_told(request)} -> {_reply(won)}]", won), *(lost if may_be_lost else [])]

    @staticmethod
    def _concerns_nobody(at: At) -> bool:
        """What sets the `result` link, what a command only tells its user, and a folder asked to be fresh."""
        if isinstance(at.request, Look):
            return not at.request.path.endswith(".lease")
        if isinstance(at.operation, Requeue):
            return at.operation.phase == "requeue listed_again"
        return isinstance(at.operation, Publish) and isinstance(at.request, List | Read)

    def _true_answer(self, request: Request, folder: Folder) -> Reply:
        match request:
            case Read(path):
                return self.files.read(folder, path)
            case List(path):
                return self.files.list(folder, path)
            case Look(path):
                return self.files.look(folder, path)
        raise AssertionError(request)

    def _answers(self, at: At, folder: Folder, made: Mapping[str, bytes]) -> Iterator[Turn]:
        match at.request:
            case Put(src, dst):
                yield from self._put(at, folder, made, (src, dst))
            case Unlink(path):
                gone = self.files.with_file(folder, self.files.place[path], 0)
                yield self._turn(at, None, gone)
                if self.has_accidents and gone != folder:
                    yield self._turn(at, AWAY, folder, "NO EFFECT")
            case List(path):
                yield from self._list(at, folder, path)
            case Read() | Look() as request:
                true = self._true_answer(request, folder)
                yield self._turn(at, true, folder)
                if self.has_accidents and true is not ABSENT:
                    yield self._turn(at, ABSENT, folder, "DOES NOT SHOW")
            case other:
                raise AssertionError(other)

    def _put(self, at: At, folder: Folder, made: Mapping[str, bytes], names: tuple[str, str]) -> Iterator[Turn]:
        won, after = self.files.put(folder, *names, made)
        yield self._turn(at, won, after)
        if not self.has_accidents:
            return
        yield self._turn(at, Won.UNKNOWN, after, "NO REPLY")
        if after != folder:
            yield self._turn(at, Won.UNKNOWN, folder, "NO EFFECT")
            if self.files.shape.has_late_puts and not folder[self.files.late_place]:
                yield self._turn(at, Won.UNKNOWN, self.files.put_late(folder, *names, made), "NO REPLY, LATE EFFECT")

    def _list(self, at: At, folder: Folder, path: str) -> Iterator[Turn]:
        names = self.files.list(folder, path)
        yield self._turn(at, names, folder)
        if not self.has_accidents:
            return
        if isinstance(at.operation, Claim):
            yield self._turn(at, AWAY, folder, "NO EFFECT")
        own = f"{at.operation.job}." if isinstance(at.operation, Cancel | Requeue) else f"{at.operation.job.id}."
        for kept in stale_listings(tuple(name for name in names if name.startswith(own))):
            yield self._turn(at, kept, folder, "STALE")

    def _turn(self, at: At, reply: Reply, folder: Folder, accident: str = "") -> Turn:
        text = f" {_told(at.request)} -> {_reply(reply)}" + (f" ({accident})" if accident else "")
        return Turn(self.step(at, reply), folder, int(bool(accident)), text)


def _places_beyond(files: Files, limit: int) -> frozenset[str]:
    """Claims above the limit, and what would follow the first attempt above it."""
    beyond = set()
    for path in files.paths:
        register = layout.parse_register(path.rpartition("/")[2])
        if register is not None and "/log/" in path and register.attempt > limit + bool(register.suffix):
            beyond.add(path)
    return frozenset(beyond)


def joined(first: Turn, then: Turn) -> Turn:
    return Turn(then.where, then.folder, first.cost + then.cost, first.text + then.text, first.made + then.made)


def _made_by(request: Request) -> tuple[tuple[str, bytes], ...]:
    return ((request.path, request.data),) if isinstance(request, Make) else ()


def _short(path: str) -> str:
    return path.rpartition("/")[2]


def _told(request: Request) -> str:
    if isinstance(request, Put):
        return f"Put({_short(request.src)} as {_short(request.dst)})"
    path = next(getattr(request, name) for name in ("path", "folder") if hasattr(request, name))
    return f"{type(request).__name__}({_short(path)})"


def _reply(reply: Reply) -> str:
    if isinstance(reply, Won):
        return reply.name
    if isinstance(reply, bytes):
        return reply.decode(errors="replace").strip()[:60]
    if isinstance(reply, tuple):
        return " ".join(reply) or "nothing"
    return "ok" if reply is None else str(reply).partition("(")[0]
