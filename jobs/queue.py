"""Claim and publish: the decisions of `jobs.claims` carried out as steps over a store.

Each operation is a frozen value. `step(reply)` takes the answer to its last request (None at the start) and returns the
next operation value with its request, or `Finished`. Nothing here touches a file, a clock or a random number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any, Final

from jobs import layout
from jobs.claims import History, Names, Policy, Verdict, group_names, next_attempt
from jobs.records import End, EndRecord, decode_claimer, decode_end, is_fresh_void
from jobs.store import Finished, List, Operation, Point, Put, Read, Reply, Request, Sync, Unlink, Won

Step = tuple["Operation[Any]", Request] | Finished[Any]
Known = Mapping[int, EndRecord]


# --- what a worker knows of itself ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Me:
    """A session's names and tickets.

    Attributes:
        sid: the session.
        claim, released, evicted: paths of its ready-made tickets.
        past: sessions that this same worker has lost.
        running: (experiment, job, attempt) that a slot of this worker runs, whatever session claimed them.
        tried: (experiment, job, attempt) that this session has put, or may have put.
    """

    sid: str
    claim: str
    released: str
    evicted: str
    past: frozenset[str] = frozenset()
    running: Set[tuple[str, str, int]] = frozenset()
    tried: Set[tuple[str, str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Job:
    """What a claim needs to know of a job."""

    experiment: str
    id: str
    policy: Policy = field(default_factory=Policy)


class Why(Enum):
    """Why an attempt was not claimed."""

    RUNNING = "its session has not ended"
    LOST = "another session was first"
    UNKNOWN = "the folder did not say: ask again with the same ticket before anything else"
    CLOUDED = "something could not be read"
    STOPPED = "it was ended before it began"
    TRIED = "this session has put that claim before"
    GONE = "this session's tickets are gone"
    BACKOFF = "it waits after a failure"
    VERDICT = "its ends rule it out"


@dataclass(frozen=True, slots=True)
class Claimed:
    """Attempt `attempt` is mine to run; it may resume from attempts above `resume_above`, never from others."""

    job: Job
    attempt: int
    resume_above: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not claimed.

    Attributes:
        attempt: the attempt that was put, or may have been (0: none).
        verdict: where the ends rule the job out.
        ends: what was read of its ends, to be kept: they never change.
    """

    job: Job
    why: Why
    attempt: int = 0
    verdict: Verdict | None = None
    ends: Known = field(default_factory=dict)


Outcome = Claimed | Skipped


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a worker must remember of a claim's outcome.

    Attributes:
        names: registers that are there now, whether a listing shows them yet or not.
        tried: the attempt that this session must never put anew; 0: none.
        is_mine: whether that claim is this session's, so that only it may end the attempt.
        asks_again: whether the same put has to be asked again, before anything else is claimed.
        doubts_session: whether to look at once whether one's own session still stands.
    """

    names: Names
    tried: int = 0
    is_mine: bool = False
    asks_again: bool = False
    doubts_session: bool = False


def lesson(outcome: Outcome) -> Lesson:
    """What `outcome` teaches the worker that claimed."""
    claims = frozenset({outcome.attempt}) - {0}
    if isinstance(outcome, Claimed):
        return Lesson(Names(claims=claims), outcome.attempt, is_mine=True)
    # Whose an unknown claim is, if there is one, is not known: only that this session must not put it anew.
    is_put = outcome.why in {Why.LOST, Why.STOPPED}
    return Lesson(
        Names(claims=claims if is_put else frozenset(), ends=frozenset(outcome.ends)),
        tried=outcome.attempt if outcome.why in {Why.UNKNOWN, Why.STOPPED} else 0,
        is_mine=outcome.why is Why.STOPPED,
        asks_again=outcome.why is Why.UNKNOWN,
        doubts_session=outcome.why is Why.GONE,
    )


# --- claim ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """Claim the next attempt of a job, evicting or releasing what stands in the way where that is proper.

    Args:
        me: the claiming session.
        job: which job.
        names: what the newest listing shows of it.
        known: ends read before (write-once, so still true).
        may_run: asked with the job's history once its ends are read: whether its back-off is over.
    """

    me: Me
    job: Job
    names: Names
    known: Known = field(default_factory=dict)
    may_run: Callable[[History], bool] = lambda _: True
    phase: str = "start"
    attempt: int = 0
    is_late: bool = False  # its put was unknown for a while, in which anything may have happened to the attempt

    def step(self, reply: Reply) -> Step:
        return _CLAIM_STEPS[self.phase](self, reply)

    @cached_property
    def history(self) -> History:
        kinds = {number: record.kind for number, record in self.known.items()}
        return History(self.names.top_claim, kinds, self.names.voids)

    def skip(self, why: Why, verdict: Verdict | None = None) -> Finished[Outcome]:
        attempt = self.attempt if why in {Why.LOST, Why.UNKNOWN, Why.STOPPED} else 0
        return Finished(Skipped(self.job, why, attempt, verdict, self.known))

    def path(self, number: int) -> str:
        return layout.claim(self.job.experiment, self.job.id, number)

    def end(self, number: int) -> str:
        return layout.end(self.job.experiment, self.job.id, number)

    def to(self, phase: str, request: Request, **changes: Any) -> Step:
        return replace(self, phase=phase, **changes), request


def _start(claim: Claim, _: Reply) -> Step:
    top = claim.names.top_claim
    if top and top not in claim.known and top not in claim.names.ends:
        return claim.to("read_holder", Read(claim.path(top)))
    return _read_next_end(claim)


def _read_holder(claim: Claim, reply: Reply) -> Step:
    """The top attempt has no end that we know of: whose is it?"""
    top = claim.names.top_claim
    if not isinstance(reply, bytes):
        return claim.skip(Why.CLOUDED)
    try:
        sid = decode_claimer(reply).sid
    except ValueError:
        return claim.skip(Why.CLOUDED)
    if (claim.job.experiment, claim.job.id, top) in claim.me.running:
        return claim.skip(Why.RUNNING)
    if sid == claim.me.sid or sid in claim.me.past:
        return claim.to("put_end", Put(claim.me.released, claim.end(top)))
    return claim.to("read_session_end", Read(layout.session_end(sid)))


def _read_session_end(claim: Claim, reply: Reply) -> Step:
    """Only an end that was read says that a session is over: a name that does not show proves nothing."""
    if not isinstance(reply, bytes):
        return claim.skip(Why.RUNNING)
    return claim.to("put_end", Put(claim.me.evicted, claim.end(claim.names.top_claim)))


def _put_end(claim: Claim, reply: Reply) -> Step:
    if reply not in {Won.MINE, Won.THEIRS}:
        return claim.skip(Why.GONE if reply is Won.GONE else Why.CLOUDED)
    names = replace(claim.names, ends=claim.names.ends | {claim.names.top_claim})
    return _read_next_end(replace(claim, names=names))


def _read_next_end(claim: Claim) -> Step:
    """Read every end up to the top claim by name, and one above it if a listing shows it (a cancel)."""
    wanted = set(range(1, claim.names.top_claim + 1)) | claim.names.ends
    for number in sorted(wanted, reverse=True):
        if number not in claim.known:
            return claim.to("read_end", Read(claim.end(number)), attempt=number)
    return _decide(claim)


def _read_end(claim: Claim, reply: Reply) -> Step:
    if not isinstance(reply, bytes):
        return claim.skip(Why.CLOUDED)
    try:
        record = decode_end(reply)
    except ValueError:
        return claim.skip(Why.CLOUDED)
    return _read_next_end(replace(claim, known={**claim.known, claim.attempt: record}))


def _decide(claim: Claim) -> Step:
    decision = next_attempt(claim.history, claim.job.policy)
    if isinstance(decision, Verdict):
        return claim.skip(Why.VERDICT, decision)
    if (claim.job.experiment, claim.job.id, decision) in claim.me.tried:
        return claim.skip(Why.TRIED)
    if not claim.may_run(claim.history):
        return claim.skip(Why.BACKOFF)
    return claim.to("put_claim", Put(claim.me.claim, claim.path(decision)), attempt=decision)


def _put_claim(claim: Claim, reply: Reply) -> Step:
    if reply is not Won.MINE:
        return claim.skip({Won.THEIRS: Why.LOST, Won.GONE: Why.GONE}.get(reply, Why.UNKNOWN))  # type: ignore[arg-type]
    if claim.attempt == 1 and not claim.is_late:
        return claim.to("look_for_cancel", Read(claim.end(1)))
    return claim.to("list_again", List(layout.log_shard(claim.job.experiment, claim.job.id)))


def _look_for_cancel(claim: Claim, reply: Reply) -> Step:
    """A first attempt needs no second listing: should the look be stale, a cancelled attempt runs and its put loses."""
    if isinstance(reply, bytes):
        return claim.skip(Why.STOPPED)
    return Finished(Claimed(claim.job, claim.attempt, 0))


def _list_again(claim: Claim, reply: Reply) -> Step:
    if not isinstance(reply, tuple):
        # Without the listing a fresh void could be missed, and the attempt would resume from what it must not.
        return claim.to("give_back", Put(claim.me.released, claim.end(claim.attempt)))
    seen = group_names(map(layout.parse_register, reply)).get(claim.job.id, Names())
    names = claim.names.merged(seen)
    if claim.attempt in names.ends:
        return replace(claim, names=names).skip(Why.STOPPED)
    return _read_next_void(replace(claim, names=names, phase="read_void"), max(names.voids, default=0))


def _give_back(claim: Claim, _: Reply) -> Step:
    return claim.skip(Why.STOPPED)


def _read_next_void(claim: Claim, number: int) -> Step:
    """From the newest void down, the first that is fresh bounds what may be resumed."""
    if not number:
        return Finished(Claimed(claim.job, claim.attempt, 0))
    claimed = replace(claim, phase=f"read_void:{number}")
    return claimed, Read(layout.void(claim.job.experiment, claim.job.id, number))


def _read_void(claim: Claim, reply: Reply) -> Step:
    number = int(claim.phase.partition(":")[2])
    # A void that cannot be read may be fresh: not resuming costs time, resuming could cost the truth.
    if not isinstance(reply, bytes) or is_fresh_void(reply):
        return Finished(Claimed(claim.job, claim.attempt, number))
    return _read_next_void(claim, max((void for void in claim.names.voids if void < number), default=0))


class _Steps(dict[str, Callable[[Claim, Reply], Step]]):
    """Steps by phase; what stands behind a colon is the phase's own."""

    def __missing__(self, phase: str) -> Callable[[Claim, Reply], Step]:
        return self[phase.partition(":")[0]]


_CLAIM_STEPS: Final = _Steps(
    start=_start,
    read_holder=_read_holder,
    read_session_end=_read_session_end,
    put_end=_put_end,
    read_end=_read_end,
    put_claim=_put_claim,
    look_for_cancel=_look_for_cancel,
    list_again=_list_again,
    give_back=_give_back,
    read_void=_read_void,
)


def ask_again(claim: Claim, attempt: int) -> Claim:
    """The claim whose put stayed unknown, put once more with the same ticket, before anything else is claimed."""
    return replace(claim, phase="again", attempt=attempt, is_late=True)


def _again(claim: Claim, _: Reply) -> Step:
    return claim.to("put_claim", Put(claim.me.claim, claim.path(claim.attempt)))


_CLAIM_STEPS["again"] = _again


# --- publish --------------------------------------------------------------------------------------------------------


class Published(Enum):
    """What became of an end that was put."""

    ACCEPTED = "accepted"
    SUPERSEDED = "another end stands: keep the folder, never touch the attempt again"
    UNKNOWN = "the folder did not say: put it again, from the same source"
    GONE = "the source is gone"


@dataclass(frozen=True)
class Publish:
    """Put an attempt's end; for a done one set `result` and the marker too. Harmless to repeat as a whole.

    Args:
        experiment, job, attempt: which.
        source: the record, complete and on disk, or a ready-made ticket.
        folder: of a done attempt, the name of its folder under the job's; None: it left none.
        is_done: whether the record says done.
        keep: the source is a ticket and stays.
    """

    experiment: str
    job: str
    attempt: int
    source: str
    folder: str | None = None
    is_done: bool = False
    keep: bool = False
    phase: str = "start"
    shown: int = 0  # the done attempt that `result` was last pointed at
    later: tuple[int, ...] = ()  # newer ends that may be done, newest first

    def step(self, reply: Reply) -> Step:
        return _PUBLISH_STEPS[self.phase](self, reply)

    def to(self, phase: str, request: Request, **changes: Any) -> Step:
        return replace(self, phase=phase, **changes), request


def _publish_start(publish: Publish, _: Reply) -> Step:
    return publish.to("put", Put(publish.source, layout.end(publish.experiment, publish.job, publish.attempt)))


def _published(publish: Publish, reply: Reply) -> Step:
    if reply is not Won.MINE:
        lost = {Won.THEIRS: Published.SUPERSEDED, Won.GONE: Published.GONE}
        return Finished(lost.get(reply, Published.UNKNOWN))  # type: ignore[arg-type]
    return publish.to("synced", Sync(layout.log_shard(publish.experiment, publish.job)))


def _synced(publish: Publish, reply: Reply) -> Step:
    if reply is not None:
        return Finished(Published.UNKNOWN)
    if not publish.is_done:
        return _tidy(publish)
    if publish.folder is None and publish.attempt == 1:
        return _mark(publish)  # no folder, and no attempt before it that could have left a link
    return _point(publish, publish.attempt, publish.folder)


def _point(publish: Publish, attempt: int, folder: str | None) -> Step:
    link = layout.result_link(publish.experiment, publish.job)
    return publish.to("pointed", Point(link, folder), shown=attempt)


def _pointed(publish: Publish, _: Reply) -> Step:
    return publish.to("listed", List(layout.log_shard(publish.experiment, publish.job)))


def _listed(publish: Publish, reply: Reply) -> Step:
    """A requeued job may have been done again meanwhile: the link is to show the newest done attempt."""
    names = Names()
    if isinstance(reply, tuple):
        names = group_names(map(layout.parse_register, reply)).get(publish.job, names)
    later = sorted((number for number in names.ends if number > publish.shown), reverse=True)
    return _read_next_later(replace(publish, later=tuple(later)))


def _read_next_later(publish: Publish) -> Step:
    if not publish.later:
        return _mark(publish)
    return publish.to("read_later", Read(layout.end(publish.experiment, publish.job, publish.later[0])))


def _read_later(publish: Publish, reply: Reply) -> Step:
    try:
        record = decode_end(reply) if isinstance(reply, bytes) else None
    except ValueError:
        record = None
    if record is None or record.kind is not End.DONE:
        return _read_next_later(replace(publish, later=publish.later[1:]))
    return _point(publish, publish.later[0], folder_name(record))


def _mark(publish: Publish) -> Step:
    marker = layout.done_marker(publish.experiment, publish.job, publish.attempt)
    return publish.to("marked", Put(publish.source, marker))


def _marked(publish: Publish, _: Reply) -> Step:
    return _tidy(publish)


def _tidy(publish: Publish) -> Step:
    if publish.keep:
        return Finished(Published.ACCEPTED)
    return publish.to("tidied", Unlink(publish.source))


def _tidied(_publish: Publish, _: Reply) -> Step:
    return Finished(Published.ACCEPTED)


_PUBLISH_STEPS: Final = {
    "start": _publish_start,
    "put": _published,
    "synced": _synced,
    "pointed": _pointed,
    "listed": _listed,
    "read_later": _read_later,
    "marked": _marked,
    "tidied": _tidied,
}


def folder_name(record: EndRecord) -> str | None:
    """The folder of a done record, by its name under the job's folder; None: it left none."""
    folder = record.body.get("folder")
    return folder.rpartition("/")[2] if isinstance(folder, str) else None


@dataclass(frozen=True)
class AddMarker:
    """Whoever finds a done job's marker missing sets `result`, then adds the marker (a link to the end itself)."""

    experiment: str
    job: str
    attempt: int
    folder: str | None
    phase: str = "start"

    def step(self, _reply: Reply) -> Step:
        if self.phase == "start":
            request = Point(layout.result_link(self.experiment, self.job), self.folder)
            return replace(self, phase="mark"), request
        if self.phase == "mark":
            end = layout.end(self.experiment, self.job, self.attempt)
            marker = layout.done_marker(self.experiment, self.job, self.attempt)
            return replace(self, phase="finish"), Put(end, marker)
        return Finished(None)
