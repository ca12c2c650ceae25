"""The checker bites: code with one mistake each, all of which it must notice, and by which promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest

from jobs import layout
from jobs.claims import History, Policy
from jobs.queue import Claim, Lesson, Outcome, Publish, Published, Step, lesson
from jobs.records import End, EndRecord
from jobs.sessions import Close, Watch
from jobs.store import ABSENT, Finished, Put, Reply, Unlink, Won
from jobs.verbs import Cancel, Requeue
from tests.jobs.checker.folder import Folder
from tests.jobs.checker.liveness import check_survivors
from tests.jobs.checker.minds import Mind
from tests.jobs.checker.others import COMMANDS
from tests.jobs.checker.search import ViolationError
from tests.jobs.checker.shape import Shape
from tests.jobs.checker.simpler import NotSimplerError
from tests.jobs.checker.workers import Code, Next, ReleaseLease, Workers
from tests.jobs.checker.world import search_of, small_budgets
from tests.jobs.mistakes import (
    EvictsUnread,
    ForgetsItsSlots,
    ForgetsTheSecondListing,
    ForgetsVoids,
    TakesUnknownForMine,
    TrustsAbsence,
)

SMALL: Final = Shape(attempts=2, spare_sessions=1, faults=1, commands=())
COMMANDED: Final = replace(SMALL, commands=(1,))


# --- claims ---------------------------------------------------------------------------------------------------------


class SkipsTheFence(Claim):
    """It claims N+1 without the end of N."""

    def step(self, reply: Reply) -> Step:
        top = self.names.top_claim
        if self.phase == "start" and top:
            return self.to("put_claim", Put(self.me.claim, self.path(top + 1)), attempt=top + 1)
        return super().step(reply)


class AsksNoBudget(Claim):
    """It takes over, however often that was done before."""

    @property
    def history(self) -> History:
        kinds = {number: record.kind for number, record in self.known.items()}
        uncounted = {number: End.CLOSED if kind is End.EVICTED else kind for number, kind in kinds.items()}
        return History(self.names.top_claim, uncounted, self.names.voids)


class RetriesForEver(Claim):
    """It counts no failures."""

    def step(self, reply: Reply) -> Step:
        return Claim.step(replace(self, job=replace(self.job, policy=Policy(99))), reply)


class TakesAllForMine(Claim):
    """It releases attempts of other workers."""

    def step(self, reply: Reply) -> Step:
        if self.phase == "read_holder" and isinstance(reply, bytes):
            return self.to("put_end", Put(self.me.released, self.end(self.names.top_claim)))
        return super().step(reply)


class NeverTakesOver(Claim):
    """It leaves alone what a dead session has left."""

    def step(self, reply: Reply) -> Step:
        return super().step(ABSENT if self.phase == "read_session_end" else reply)


def forget_puts(outcome: Outcome) -> Lesson:
    return replace(lesson(outcome), tried=0)


def forget_unknown_puts(outcome: Outcome) -> Lesson:
    taught = lesson(outcome)
    return replace(taught, tried=0, asks_again=False) if taught.asks_again else taught


# --- ends -----------------------------------------------------------------------------------------------------------


class PublishesWithoutTheEnd(Publish):
    """It marks a result done and leaves no record."""

    def step(self, reply: Reply) -> Step:
        if self.phase == "start" and self.is_done:
            marker = layout.done_marker(self.experiment, self.job, self.attempt)
            return self.to("marked", Put(self.source, marker))
        return super().step(reply)


class MarksFirst(Publish):
    """It adds the done marker before the record."""

    def step(self, reply: Reply) -> Step:
        if self.phase == "start" and self.is_done:
            return self.to("first", Put(self.source, layout.done_marker(self.experiment, self.job, self.attempt)))
        if self.phase == "first":
            return self.to("put", Put(self.source, layout.end(self.experiment, self.job, self.attempt)))
        return super().step(reply)


class TakesTheirsForMine(Publish):
    """It goes on publishing where another end stands."""

    def step(self, reply: Reply) -> Step:
        return super().step(Won.MINE if self.phase == "put" and reply is Won.THEIRS else reply)


class AcceptsUnread(Publish):
    """It takes an unknown put for a good one."""

    def step(self, reply: Reply) -> Step:
        if self.phase == "put" and reply is Won.UNKNOWN:
            return Finished(Published.ACCEPTED)
        return super().step(reply)


# --- sessions -------------------------------------------------------------------------------------------------------


class EvictsAtOnce(Watch):
    """It evicts without waiting for the lease to pass."""

    def step(self, reply: Reply) -> Step:
        if self.phase == "looked":
            return self.to("evicted", Put(self.evicted, layout.session_end(self.owner.sid)))
        return super().step(reply)


class EvictsWhatDoesNotShow(Watch):
    """It takes a lease that does not show for one that is gone."""

    def step(self, reply: Reply) -> Step:
        if self.phase == "looked" and reply is ABSENT:
            return self.to("evicted", Put(self.evicted, layout.session_end(self.owner.sid)))
        return super().step(reply)


class RemovesTheLeaseFirst(Watch):
    """It removes the lease of a session that has not ended."""

    def step(self, reply: Reply) -> Step:
        outcome = super().step(reply)
        is_evicting = self.phase == "looked" and not isinstance(outcome, Finished) and isinstance(outcome[1], Put)
        if is_evicting and reply is not ABSENT:
            return self.to("unlinked", Unlink(layout.lease(self.owner.sid)))
        return outcome


class ClosesUnread(Close):
    """It takes an unknown put for a good one, and so the lease is released of a session without an end."""

    def step(self, reply: Reply) -> Step:
        return super().step(Won.MINE if reply is Won.UNKNOWN else reply)


class ReleasesFirst(Workers):
    """It releases the lease before the session is closed."""

    def _close(self, mind: Mind, why: str, text: str, folder: Folder) -> Iterator[Next]:
        if why == "leaves" and self.files.lease_is(folder, mind.sid, "beating"):
            silent = self.files.silence(folder, mind.sid)
            yield from self._begin(mind._replace(about=("early",)), ReleaseLease(mind.sid), text, silent)
        else:
            yield from super()._close(mind, why, text, folder)


# --- commands -------------------------------------------------------------------------------------------------------


class RequeuesWhatRuns(Requeue):
    """It takes back the end of an attempt that has none yet."""

    def step(self, reply: Reply) -> Step:
        if self.phase == "requeue listed" and isinstance(reply, tuple):
            claims = [register for name in reply if (register := layout.parse_register(name)) and not register.suffix]
            top = max((register.attempt for register in claims), default=0)
            if top:
                failed = EndRecord(End.FAILED, {}).encode()
                return Requeue.step(replace(self, phase="requeue read_end", attempt=top), failed)
        return super().step(reply)


@dataclass(frozen=True)
class Mistake:
    """A world with a mistake in it, and what must be said of it."""

    said: str
    code: Code = field(default_factory=Code)
    shape: Shape = SMALL
    workers: type[Workers] = Workers
    commands: tuple[Callable[[str, str, str], Any], ...] = COMMANDS
    evicted: int = 2


MISTAKES: Final = {
    "publishes without the end record": Mistake(
        "accepted, and it is not its end", Code(publish=PublishesWithoutTheEnd)
    ),
    "adds a done marker before its record": Mistake("is marked and not done", Code(publish=MarksFirst)),
    "takes their end for its own": Mistake("accepted, and it is not its end", Code(publish=TakesTheirsForMine)),
    "accepts an unknown put": Mistake("accepted, and it is not its end", Code(publish=AcceptsUnread)),
    "evicts without waiting": Mistake("was ended while it showed life", Code(watch=EvictsAtOnce)),
    "evicts what does not show": Mistake("was ended while it showed life", Code(watch=EvictsWhatDoesNotShow)),
    "removes the lease of a session that has not ended": Mistake(
        "was removed, which has not ended", Code(watch=RemovesTheLeaseFirst)
    ),
    "releases before closed": Mistake("was removed, which has not ended", workers=ReleasesFirst),
    "takes an unknown close for a good one": Mistake("was removed, which has not ended", Code(close=ClosesUnread)),
    "claims n+1 without the end of n": Mistake("was claimed before 1 had ended", Code(claim=SkipsTheFence)),
    "evicts a session that it has not read": Mistake("which has not ended", Code(claim=EvictsUnread)),
    "trusts an absent name": Mistake("was claimed after 1 was done", Code(claim=TrustsAbsence)),
    "takes over without asking the budget": Mistake("its evictions are spent", Code(claim=AsksNoBudget), evicted=1),
    "retries for ever": Mistake("its failures are spent", Code(claim=RetriesForEver), replace(SMALL, attempts=3)),
    "resumes a requeued done job": Mistake(
        "a fresh void stands at 1", Code(claim=ForgetsTheSecondListing), replace(COMMANDED, faults=0)
    ),
    "runs what it may have claimed": Mistake("by one who did not claim it", Code(claim=TakesUnknownForMine)),
    "forgets what was put": Mistake("is run twice", Code(lesson=forget_puts), replace(SMALL, faults=2)),
    "releases what it has to end itself": Mistake("that it runs itself", Code(claim=ForgetsItsSlots)),
    "releases attempts of others": Mistake("it released another's attempt", Code(claim=TakesAllForMine)),
    "requeues what runs": Mistake("which has no end", commands=(Cancel, RequeuesWhatRuns), shape=COMMANDED),
    "counts what was requeued": Mistake("end all jobs", Code(claim=ForgetsVoids), replace(COMMANDED, faults=0)),
    "never takes over": Mistake("end all jobs", Code(claim=NeverTakesOver)),
}


def search_all(mistake: Mistake, *, simplifies: bool = True) -> None:
    search = search_of(mistake.shape, mistake.code, mistake.workers, mistake.commands, simplifies=simplifies)
    try:
        search.run()
    except NotSimplerError:  # noticed already; what promise it breaks, a search that simplifies nothing tells
        search_all(mistake, simplifies=False)
    else:
        check_survivors(search, mistake.code, mistake.workers)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_breaks_a_promise(name: str) -> None:
    mistake = MISTAKES[name]
    with small_budgets(mistake.evicted), pytest.raises(ViolationError, match=mistake.said) as caught:
        search_all(mistake)
    assert caught.value.trace
