"""Cancel and requeue: what people ask of a job, as steps over a store.

Like the operations of `jobs.queue` these are frozen values: `step(reply)` answers with the next request, or `Finished`.
They need no session: a private file is made, linked into the place that decides, and removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from jobs import layout
from jobs.claims import NOTHING, Names, group_names
from jobs.records import End, EndRecord, decode_end, encode_void
from jobs.store import Failed, Finished, List, Make, Operation, Put, Read, Reply, Request, Sync, Unlink, Won

Step = tuple["Operation[Any]", Request] | Finished[Any]

# How often an unknown put is asked again, and a lost one decided again, before the user is told to try later.
_TRIES: Final = 5


class Answer(Enum):
    """What a command came to."""

    TAKEN = "it stands"
    IS_DONE = "the job is done"
    IS_CANCELLED = "the job is cancelled already"
    IS_RUNNING = "the job is running or claimed: cancel it first"
    IS_WAITING = "the job waits already, with nothing to take back"
    UNKNOWN = "the folder did not say whether it took it"


@dataclass(frozen=True, slots=True)
class Commanded:
    """A command's result.

    Attributes:
        attempt: the attempt whose end (cancel) or void (requeue) was put.
        meanwhile: requeue: attempts claimed since the listing that it decided by: they may have resumed.
    """

    answer: Answer
    attempt: int = 0
    meanwhile: tuple[int, ...] = ()


def _names(job: str, reply: Reply) -> Names | None:
    if not isinstance(reply, tuple):
        return None
    return group_names(map(layout.parse_register, reply)).get(job, NOTHING)


def _kind(reply: Reply) -> End | None:
    try:
        return decode_end(reply).kind if isinstance(reply, bytes) else None
    except ValueError:
        return None


@dataclass(frozen=True)
class _Command:
    """What both commands share.

    Args:
        experiment, job: which.
        temp: path of a private file that is not there yet (`layout.command_temp`).
    """

    experiment: str
    job: str
    temp: str
    phase: str = ""
    attempt: int = 0
    tries: int = 0
    names: Names = NOTHING
    result: Commanded = Commanded(Answer.UNKNOWN)

    def step(self, reply: Reply) -> Step:
        return _STEPS[self.phase](self, reply)

    def to(self, phase: str, request: Request, **changes: Any) -> Step:
        return replace(self, phase=phase, **changes), request

    def list(self, phase: str, **changes: Any) -> Step:
        return self.to(phase, List(layout.log_shard(self.experiment, self.job)), **changes)

    def over(self, answer: Answer) -> Step:
        """The answer is known: tidy up, then tell it."""
        return self.tidy(Commanded(answer, self.attempt))

    def tidy(self, result: Commanded) -> Step:
        return self.to("tidied", Unlink(self.temp), result=result)


# --- cancel ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cancel(_Command):
    """Put a `cancelled` end for the open attempt or, if none is open, for the one that would come next.

    The same for waiting and running jobs, and no session is needed: who claims an attempt that has an end does not run
    it, and a worker that sees the end of its running attempt taken stops it.
    """

    phase: str = "cancel"


def _cancel_start(cancel: Cancel, _: Reply) -> Step:
    record = EndRecord(End.CANCELLED, {"by": "cancel", "nonce": cancel.temp.rpartition(".")[2]})
    return cancel.to("cancel made", Make(cancel.temp, record.encode()))


def _cancel_made(cancel: Cancel, reply: Reply) -> Step:
    return cancel.over(Answer.UNKNOWN) if isinstance(reply, Failed) else cancel.list("cancel listed")


def _cancel_listed(cancel: Cancel, reply: Reply) -> Step:
    if (names := _names(cancel.job, reply)) is None:
        return cancel.over(Answer.UNKNOWN)
    cancel = replace(cancel, names=cancel.names.merged(names))
    top = cancel.names.top
    if top in cancel.names.ends and top not in cancel.names.voids:
        return cancel.to("cancel read_top", Read(layout.end(cancel.experiment, cancel.job, top)))
    return _cancel_put(cancel, top + 1 if top in cancel.names.ends or not top else top)


def _cancel_read_top(cancel: Cancel, reply: Reply) -> Step:
    top = cancel.names.top
    if (kind := _kind(reply)) is None:
        return cancel.over(Answer.UNKNOWN)
    final = {End.DONE: Answer.IS_DONE, End.CANCELLED: Answer.IS_CANCELLED}
    return replace(cancel, attempt=top).over(final[kind]) if kind in final else _cancel_put(cancel, top + 1)


def _cancel_put(cancel: Cancel, attempt: int) -> Step:
    return cancel.to(
        "cancel put", Put(cancel.temp, layout.end(cancel.experiment, cancel.job, attempt)), attempt=attempt
    )


def _cancel_answered(cancel: Cancel, reply: Reply) -> Step:
    if reply is Won.MINE:
        return cancel.to("cancel synced", Sync(layout.log_shard(cancel.experiment, cancel.job)))
    again = replace(cancel, tries=cancel.tries + 1)
    if reply is Won.GONE or again.tries >= _TRIES:
        return cancel.over(Answer.UNKNOWN)
    if reply is Won.THEIRS:
        # It ended otherwise meanwhile, and that is known now even where no listing shows it yet.
        ends = cancel.names.ends | {cancel.attempt}
        return again.list("cancel listed", names=replace(cancel.names, ends=ends))
    return _cancel_put(again, cancel.attempt)


def _cancel_synced(cancel: Cancel, reply: Reply) -> Step:
    return cancel.over(Answer.UNKNOWN if isinstance(reply, Failed) else Answer.TAKEN)


# --- requeue --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Requeue(_Command):
    """Put a void for the newest end: it no longer counts, and no budget counts what lies at or below it.

    Args:
        fresh: whether later attempts must not resume from earlier ones; None: only where the job was done.
    """

    fresh: bool | None = None
    phase: str = "requeue"


def _requeue_start(requeue: Requeue, _: Reply) -> Step:
    return requeue.list("requeue listed")


def _requeue_listed(requeue: Requeue, reply: Reply) -> Step:
    if (names := _names(requeue.job, reply)) is None:
        return Finished(Commanded(Answer.UNKNOWN))
    newest = max(names.ends, default=0)
    requeue = replace(requeue, names=names, attempt=newest)
    if names.top_claim > newest:
        return Finished(Commanded(Answer.IS_RUNNING, names.top_claim))
    if not newest or newest in names.voids:
        return Finished(Commanded(Answer.IS_WAITING, newest))
    return requeue.to("requeue read_end", Read(layout.end(requeue.experiment, requeue.job, newest)))


def _requeue_read_end(requeue: Requeue, reply: Reply) -> Step:
    if (kind := _kind(reply)) is None:
        return Finished(Commanded(Answer.UNKNOWN))
    fresh = kind is End.DONE if requeue.fresh is None else requeue.fresh
    return requeue.to("requeue made", Make(requeue.temp, encode_void(fresh=fresh)))


def _requeue_made(requeue: Requeue, reply: Reply) -> Step:
    return requeue.over(Answer.UNKNOWN) if isinstance(reply, Failed) else _requeue_put(requeue)


def _requeue_put(requeue: Requeue) -> Step:
    return requeue.to("requeue put", Put(requeue.temp, layout.void(requeue.experiment, requeue.job, requeue.attempt)))


def _requeue_answered(requeue: Requeue, reply: Reply) -> Step:
    if reply in {Won.MINE, Won.THEIRS}:  # theirs: somebody else asked for the same
        return requeue.to("requeue synced", Sync(layout.log_shard(requeue.experiment, requeue.job)))
    if reply is Won.GONE or requeue.tries + 1 >= _TRIES:
        return requeue.over(Answer.UNKNOWN)
    return _requeue_put(replace(requeue, tries=requeue.tries + 1))


def _requeue_synced(requeue: Requeue, reply: Reply) -> Step:
    return requeue.over(Answer.UNKNOWN) if isinstance(reply, Failed) else requeue.list("requeue listed_again")


def _requeue_listed_again(requeue: Requeue, reply: Reply) -> Step:
    names = _names(requeue.job, reply) or NOTHING
    meanwhile = tuple(sorted(number for number in names.claims if number > requeue.attempt))
    return requeue.tidy(Commanded(Answer.TAKEN, requeue.attempt, meanwhile))


# --- both -----------------------------------------------------------------------------------------------------------


def _tidied(command: _Command, _: Reply) -> Step:
    return Finished(command.result)


_STEPS: Final[dict[str, Callable[[Any, Reply], Step]]] = {
    "cancel": _cancel_start,
    "cancel made": _cancel_made,
    "cancel listed": _cancel_listed,
    "cancel read_top": _cancel_read_top,
    "cancel put": _cancel_answered,
    "cancel synced": _cancel_synced,
    "requeue": _requeue_start,
    "requeue listed": _requeue_listed,
    "requeue read_end": _requeue_read_end,
    "requeue made": _requeue_made,
    "requeue put": _requeue_answered,
    "requeue synced": _requeue_synced,
    "requeue listed_again": _requeue_listed_again,
    "tidied": _tidied,
}
