"""What a worker may do next: its operations, put together as `orchestrator` does.

Mirrored: `claiming.py` (one claim at a time, unknown ones first, those of a lost session given back), `ends.py` and
`publishing.py` (an end is put until the folder says what became of it), `keeping.py` and `session.py` (a lost session
is closed and a new one opened), `watching.py` (whose session is watched), `worker.py` (on the way out: attempts, then
the session, then the lease). The order in which a real worker takes these things up is left open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

from jobs import layout
from jobs.claims import NOTHING, Names, Policy, Verdict, group_names
from jobs.queue import (
    AddMarker,
    Claim,
    Claimed,
    Job,
    Lesson,
    Me,
    Outcome,
    Publish,
    Published,
    Skipped,
    Why,
    ask_again,
    lesson,
)
from jobs.records import End, decode_claimer
from jobs.sessions import Close, Closing, LookAtOwn, Sighting, Standing, Step, Watch
from jobs.store import Finished, Reply, Stamp, Unlink
from tests.jobs.checker.driving import BEYOND, At, Driver, Turn, Where, joined
from tests.jobs.checker.folder import As, Folder
from tests.jobs.checker.judging import Judge
from tests.jobs.checker.minds import GONE, LEAVES, Mind, fresh_mind
from tests.jobs.checker.shape import (
    EXPERIMENT,
    LEASE_SECONDS,
    claimer_of,
    job_id,
    job_number,
    temp_of,
    tickets_of,
)
from tests.jobs.checker.telling import PUTTING, Kept, plain, stale_listings, telling

MAX_ATTEMPTS: Final = 2
ENDINGS: Final = (End.DONE, End.FAILED, End.RELEASED)


Part = Callable[[Folder], Iterator["Next"]]


class Next(NamedTuple):
    """What may follow.

    Attributes:
        cost: how many accidents it took.
        text: for people.
        broken: the promise that was not kept; empty: none.
    """

    mind: Any
    folder: Folder
    cost: int = 0
    text: str = ""
    broken: str = ""


@dataclass(frozen=True)
class Code:
    """The code under test; a mutation replaces a part of it."""

    claim: type[Claim] = Claim
    publish: type[Publish] = Publish
    marker: type[AddMarker] = AddMarker
    watch: type[Watch] = Watch
    close: type[Close] = Close
    look: type[LookAtOwn] = LookAtOwn
    lesson: Callable[[Outcome], Lesson] = lesson
    ask_again: Callable[[Claim, int], Claim] = ask_again


@dataclass(frozen=True)
class ReleaseLease:
    """What filelock does on release: it removes its marker."""

    sid: str
    is_over: bool = False

    def step(self, _: Reply) -> Step:
        if self.is_over:
            return Finished(None)
        return replace(self, is_over=True), Unlink(layout.lease(self.sid))


def may_run(_: object) -> bool:
    """A back-off is over at any time: until then nothing is claimed, which is no different from not trying."""
    return True


class Workers:
    """The moves of workers.

    Args:
        files, driver: the folder and the operations over it.
        sessions: how many a worker may open.
        code: what they run.
        is_alone: whether all other workers are dead: then their leases are silent.
    """

    def __init__(self, driver: Driver, sessions: int, code: Code | None = None, *, is_alone: bool = False) -> None:
        self.driver, self.files, self.shape = driver, driver.files, driver.files.shape
        self.sessions, self.code, self.is_alone = sessions, code or Code(), is_alone
        self.judge = Judge(self.files, is_alone)
        self._leaves_open = self.shape.is_reduced and not is_alone

    def parts(self, mind: Mind) -> list[Part]:
        """Everything that this worker may do, and that may happen to it, in one turn."""
        if mind.state == GONE:
            return [partial(self._start_again, mind)] if mind.number + 1 < self.sessions else []
        if mind.at is not None:
            parts: list[Part] = [partial(self._go_on, mind, mind.at)]
        else:
            parts = self._leaving(mind) if mind.state == LEAVES else self._idle(mind)
        if self.driver.has_accidents:
            parts.append(partial(self._accidents, mind))
        return [partial(_moving, mind, part) for part in parts]

    def _accidents(self, mind: Mind, folder: Folder) -> Iterator[Next]:
        """It dies, its lease left or released.

        A worker that can never be started again and is dead can do no more than a live one that does nothing: so it
        dies only where its lease falls silent with it, and a lease released is one that a stranger removes.
        """
        if self.shape.is_reduced and mind.number + 1 >= self.sessions:
            if self.files.lease_is(folder, mind.sid, "beating"):
                yield Next(_gone(mind), self.files.silence(folder, mind.sid), 1, " CRASHES")
            return
        yield Next(_gone(mind), self.files.silence(folder, mind.sid), 1, " CRASHES")
        if folder.has(lease := self.files.lease_place(mind.sid)):
            yield Next(_gone(mind), self.files.with_file(folder, lease, 0), 1, " FALLS, its lease released")

    def _go_on(self, mind: Mind, at: At, folder: Folder) -> Iterator[Next]:
        for turn in self.driver.turns(at, folder):
            yield from self._after(mind, folder, turn)

    def _start_again(self, mind: Mind, folder: Folder) -> Iterator[Next]:
        again = fresh_mind(mind.who, self.shape.jobs, mind.number + 1)
        if opened := self._opened(folder, again.sid):
            yield Next(again, opened, text=f" is started again as {again.sid}")

    def _opened(self, folder: Folder, sid: str) -> Folder | None:
        """The folder with a new session; None: no more may be opened."""
        spare = folder[self.files.spare_place]
        if not spare:
            return None
        return self.files.open_lease(folder.changed(self.files.spare_place, spare - 1), sid)

    # --- with nothing under way -------------------------------------------------------------------------------------

    def _idle(self, mind: Mind) -> list[Part]:
        jobs, leaves = range(self.shape.jobs), mind._replace(state=LEAVES)
        lists = (partial(self._list, mind, job) for job in jobs) if self.shape.remembers else ()
        return [
            *lists,
            *self._claims(mind),
            *(partial(self._end, mind, key, kind) for key in sorted(mind.running) for kind in ENDINGS),
            *(partial(self._publish, mind, unsent) for unsent in sorted(mind.unsent)),
            partial(self._look_at_own, mind),
            *(partial(self._watch, mind, job) for job in jobs),
            *(self._leaving(leaves) if not self.shape.is_reduced else self._closing(leaves)),
        ]

    def _listed(self, folder: Folder, job: int) -> tuple[str, ...]:
        """What a listing shows of one job; what it shows of others concerns nobody who asks for this one."""
        return self.files.list(folder, layout.log_shard(EXPERIMENT, job_id(job)), f"{job_id(job)}.")

    def _list(self, mind: Mind, job: int, folder: Folder) -> Iterator[Next]:
        """A listing is not atomic: it may lack any name that was made while it was taken."""
        names = self._listed(folder, job)
        listings = [(0, names), *((1, kept) for kept in stale_listings(names) if self.driver.has_accidents)]
        found: set[Mind] = {mind}
        for cost, kept in listings:
            after = self._plain(mind.noting(job, _seen(kept, job)))
            if after not in found:
                found.add(after)
                stale = " (STALE)" if cost else ""
                yield Next(after, folder, cost, f" lists {job_id(job)}: {' '.join(kept) or 'nothing'}{stale}")

    def _claims(self, mind: Mind) -> list[Part]:
        """While it may claim nothing new, it adds markers still: what it left out of its memory to do."""
        jobs = range(self.shape.jobs if self._leaves_open else 0)
        marks: list[Part] = [partial(self._mark, mind, job) for job in jobs]
        if len(mind.running) >= self.shape.slots:
            return marks
        if mind.unknown:
            first, rest = mind.unknown[0], mind.unknown[1:]
            job = job_number(first.operation.job.id)
            asking = mind._replace(unknown=rest, about=("claim", job), asking=first)
            return [*marks, partial(self._begin, asking, first.operation, " asks again:")]
        claim = self._claim if self.shape.remembers else self._claim_unsure
        return [partial(claim, mind, job) for job in range(self.shape.jobs)]

    def _claim(self, mind: Mind, job: int, folder: Folder) -> Iterator[Next]:
        yield from self._claim_knowing(mind, job, mind.views[job], folder)

    def _claim_unsure(self, mind: Mind, job: int, folder: Folder) -> Iterator[Next]:
        """It may know any part of what the newest listing would show: for as long as it likes, and by no accident."""
        names = self._listed(folder, job)
        knowing = {telling(_seen(kept, job)) for kept in (names, *stale_listings(names))}
        knowing.update(self._unmarked(_seen(names, job), job, folder))
        for known in [_seen(names, job)] if self.is_alone else sorted(knowing, key=_told):
            yield from self._claim_knowing(mind, job, known, folder)

    def _mark(self, mind: Mind, job: int, folder: Folder) -> Iterator[Next]:
        for names in self._unmarked(_seen(self._listed(folder, job), job), job, folder):
            yield from self._claim_knowing(mind, job, names, folder)

    def _unmarked(self, names: Names, job: int, folder: Folder) -> Iterator[Names]:
        """Listings, however old, with a done attempt on top that has no marker: by those it is added even now."""
        for number in sorted(names.ends & names.claims):
            end = folder.ask(self.files.place[layout.end(EXPERIMENT, job_id(job), number)], As.CONTENT)
            if self.files.kind(end) is End.DONE and not folder.has(self._marker(job, number)):
                yield telling(Names(frozenset({number}), frozenset({number}), names.voids - {number}))

    def _claim_knowing(self, mind: Mind, job: int, names: Names, folder: Folder) -> Iterator[Next]:
        claim = self.claim(mind, job, names)
        asking = mind._replace(about=("claim", job), asking=self.driver.at(claim, None))
        yield from self._begin(asking, claim, f" claims {job_id(job)} knowing {_told(names)}:", folder)

    def claim(self, mind: Mind, job: int, names: Names) -> Claim:
        paths, top = tickets_of(mind.sid, mind.roll), names.top_claim
        me = Me(
            sid=mind.sid,
            claim=paths.claim,
            released=paths.released,
            evicted=paths.evicted,
            past=mind.past,
            running=frozenset((EXPERIMENT, job_id(j), attempt) for j, attempt in mind.held if j == job),
            tried=frozenset((EXPERIMENT, job_id(j), n) for j, n in mind.tried if j == job and n > top),
        )
        # What was read before is read again: a superset of what may happen, with fewer memories to tell apart.
        return self.code.claim(me, Job(EXPERIMENT, job_id(job), Policy(MAX_ATTEMPTS)), names, Kept(), may_run)

    def _end(self, mind: Mind, key: tuple[int, int], kind: End, folder: Folder) -> Iterator[Next]:
        job, attempt = key
        temp = temp_of(mind.sid, job_id(job), attempt, kind.value)
        begun = mind._replace(running=mind.running - {key}, unsent=mind.unsent | {(job, attempt, temp)})
        yield from self._publish(begun, (job, attempt, temp), folder)

    def _publish(self, mind: Mind, unsent: tuple[int, int, str], folder: Folder) -> Iterator[Next]:
        job, attempt, temp = unsent
        is_done = temp.endswith(End.DONE.value)
        publish = self.code.publish(
            EXPERIMENT, job_id(job), attempt, temp, f"{attempt:04d}" if is_done else None, is_done
        )
        about = ("publish", job, attempt, temp)
        yield from self._begin(mind._replace(about=about), publish, f" ends {job_id(job)}.{attempt:04d}:", folder)

    def _look_at_own(self, mind: Mind, folder: Folder) -> Iterator[Next]:
        """A look that finds nothing changes nothing."""
        losses = {
            turn.cost: turn.text
            for turn in self.driver.begin(self.code.look(mind.sid), folder)
            if isinstance(turn.where, Finished) and turn.where.result is Standing.LOST
        }
        is_own = self.files.lease_is(folder, mind.sid, "beating", "silent")
        if not is_own and not self.files.has_ended(folder, mind.sid):
            losses[0] = " its lease is not its own any more"
        is_idle_death = self.shape.is_reduced and mind.number + 1 >= self.sessions
        if is_idle_death and self.files.has_ended(folder, mind.sid):
            return  # it could only be gone, with nothing changed for anybody
        if 0 in losses:
            yield from self._close(mind, "lost", f" has lost {mind.sid}:{losses[0]};", folder)

    def _watched(self, mind: Mind, job: int, folder: Folder) -> str | None:
        """The session that owns a job's open claim, as far as this worker knows; None: nobody is to be watched."""
        names = mind.views[job] if self.shape.remembers else _seen(self._listed(folder, job), job)
        top = names.top_claim
        if not top or top in names.ends:
            return None
        claim = self.files.read(folder, layout.claim(EXPERIMENT, job_id(job), top))
        sid = decode_claimer(claim).sid if isinstance(claim, bytes) else mind.sid
        is_watched = sid not in mind.past | {mind.sid} and not self.files.has_ended(folder, sid)
        return sid if is_watched else None

    def _watch(self, mind: Mind, job: int, folder: Folder) -> Iterator[Next]:
        """Once with a young sighting, and once with one that is as old as the lease.

        An old one of a session that beats is an accident: its holder, or its beat, has stood still.
        """
        if (sid := self._watched(mind, job, folder)) is None:
            return
        evicted = tickets_of(mind.sid, mind.roll).evicted
        watch = self.code.watch(claimer_of(sid), evicted, Sighting(), LEASE_SECONDS)
        yield from self._begin(mind._replace(about=("watch", sid)), watch, f" watches {sid}:", folder)
        stamp = self.files.look(folder, layout.lease(sid))
        is_beating = self.files.lease_is(folder, sid, "beating") and not self.is_alone
        if not isinstance(stamp, Stamp) or (is_beating and not self.driver.has_accidents):
            return
        old = replace(watch, sighting=Sighting(stamp, 0.0, LEASE_SECONDS))
        text = f" takes {sid} for silent:" + (" (IT HAS ONLY PAUSED)" if is_beating else "")
        for found in self._begin(mind._replace(about=("watch", sid, "old")), old, text, folder):
            yield found._replace(cost=found.cost + is_beating)

    def _closing(self, mind: Mind) -> list[Part]:
        """A worker on its way out does nothing that a working one may not do, but for closing its session."""
        return [] if mind.running else [partial(self._close, mind, "leaves", " leaves:")]

    def _leaving(self, mind: Mind) -> list[Part]:
        if mind.running:
            return [partial(self._end, mind, key, End.RELEASED) for key in sorted(mind.running)]
        resent = [partial(self._publish, mind, unsent) for unsent in sorted(mind.unsent)]
        return [*resent, partial(self._close, mind, "leaves", " leaves:")]

    def _close(self, mind: Mind, why: str, text: str, folder: Folder) -> Iterator[Next]:
        """The beat stops first in any case."""
        close = self.code.close(mind.sid, tickets_of(mind.sid, mind.roll).closed)
        yield from self._begin(mind._replace(about=("close", why)), close, text, self.files.silence(folder, mind.sid))

    # --- turns ------------------------------------------------------------------------------------------------------

    def _begin(self, mind: Mind, operation: Any, text: str, folder: Folder) -> Iterator[Next]:
        for turn in self.driver.begin(operation, folder):
            if self._is_nothing(mind, turn, folder):
                continue
            for found in self._after(mind, folder, turn):
                yield found._replace(text=text + found.text)

    def _is_nothing(self, mind: Mind, turn: Turn, folder: Folder) -> bool:
        """A new claim that came to nothing teaches nothing, where nothing that was listed is remembered."""
        is_new = mind.asking is not None and mind.asking.operation.phase == "start"
        if not is_new or not isinstance(turn.where, Finished) or self.shape.remembers or turn.folder is not folder:
            return False
        outcome = turn.where.result
        taught = {Why.UNKNOWN, Why.STOPPED, Why.GONE}
        return isinstance(outcome, Skipped) and outcome.why not in taught and outcome.verdict is not Verdict.DONE

    def _after(self, mind: Mind, before: Folder, turn: Turn) -> Iterator[Next]:
        """What a turn comes to: an operation that waits again, or its result, taken in."""
        broken = self.judge.broken_by(mind, before, turn.folder)
        if isinstance(turn.where, Finished):
            found = list(self._finished(mind, turn))
        else:
            found = [Next(mind._replace(at=turn.where, asking=self._asking(mind, turn.where)), turn.folder)]
        for after in found:
            cost, text = turn.cost + after.cost, turn.text + after.text
            yield Next(self._plain(after.mind), after.folder, cost, text, broken or after.broken)

    def _asking(self, mind: Mind, at: At) -> At | None:
        """The claim as it began; once its put is chosen, without what bears on other attempts."""
        if mind.asking is None or not isinstance(at.operation, Claim) or not self.shape.is_reduced:
            return mind.asking
        started = mind.asking.operation
        me = replace(started.me, past=frozenset(), running=frozenset(), tried=frozenset())
        begun = replace(started, me=me, names=at.operation.names, known=at.operation.known)
        return self.driver.at(begun, None) if at.operation.phase in PUTTING else mind.asking

    def _plain(self, mind: Mind) -> Mind:
        """Without what no later step reads: a claim goes for an attempt above the top one that the worker knows."""
        if not self.shape.is_reduced:
            return mind
        views = tuple(map(telling, mind.views)) if self.shape.remembers else (NOTHING,) * self.shape.jobs
        tried, ran = (
            frozenset(key for key in keys if key[1] > views[key[0]].top_claim) for keys in (mind.tried, mind.ran)
        )
        return mind._replace(views=views, tried=tried, ran=ran)

    # --- results ----------------------------------------------------------------------------------------------------

    def _finished(self, before: Mind, turn: Turn) -> Iterator[Next]:
        assert isinstance(turn.where, Finished)
        mind, result = before._replace(at=None, about=(), asking=None), turn.where.result
        match before.about:
            case _ if result is BEYOND:
                yield Next(mind, turn.folder)
            case ("claim", *_):
                yield from self._claimed(before, mind, turn)
            case ("publish", job, attempt, temp):
                yield self._published(mind, (job, attempt, temp), result, turn.folder)
            case ("close", why):
                yield from self._closed(mind, why, result, turn.folder)
            case ("release", why):
                yield self._released(mind, why, turn.folder)
            case _:
                yield Next(mind, turn.folder)

    def _claimed(self, before: Mind, mind: Mind, turn: Turn) -> Iterator[Next]:
        """As `Claiming` takes an outcome in."""
        assert isinstance(turn.where, Finished)
        assert before.asking is not None
        outcome, claim, job = turn.where.result, before.asking.operation, before.about[1]
        taught = self.code.lesson(outcome)
        mind = mind.noting(job, taught.names)
        if taught.tried:
            mind = mind._replace(tried=mind.tried | {(job, outcome.attempt)})
        if taught.asks_again:
            asked = self.code.ask_again(claim, outcome.attempt)
            again = self.driver.at(plain(asked) if self.shape.is_reduced else asked, None)
            mind = mind._replace(unknown=(*mind.unknown, again))
        if isinstance(outcome, Claimed):
            yield from self._run(mind, claim, outcome, turn)
            return
        top = max(outcome.ends, default=0)
        if outcome.verdict is Verdict.DONE and not turn.folder.has(self._marker(job, top)):
            marker = self.code.marker(EXPERIMENT, job_id(job), top, f"{top:04d}")
            yield from self._follow(mind._replace(about=("mark",)), turn.folder, self.driver.start(marker))
            return
        yield Next(mind, turn.folder, text=f" {outcome.why.name}")

    def _run(self, mind: Mind, claim: Claim, claimed: Claimed, turn: Turn) -> Iterator[Next]:
        job, attempt = job_number(claimed.job.id), claimed.attempt
        broken = self.judge.broken_by_run(mind, (job, attempt), claimed, turn)
        if claim.me.sid != mind.sid:
            publish = Publish(EXPERIMENT, job_id(job), attempt, claim.me.released, keep=True)
            for after in self._follow(mind._replace(about=("give back",)), turn.folder, self.driver.start(publish)):
                yield after._replace(text=f" gives back what {claim.me.sid} claimed{after.text}")
            return
        mind = mind._replace(running=mind.running | {(job, attempt)}, ran=mind.ran | {(job, attempt)})
        yield Next(mind, turn.folder, text=f" RUNS {job_id(job)}.{attempt:04d}", broken=broken)

    def _follow(self, mind: Mind, folder: Folder, where: Where) -> Iterator[Next]:
        """An operation that begins at once, up to its first request that others may notice."""
        for turn in self.driver.settle(Turn(where, folder)):
            ends = [turn]
            if isinstance(turn.where, At):
                yield Next(mind._replace(at=turn.where), folder, turn.cost, turn.text)
                is_quick = self.shape.is_reduced and mind.about == ("mark",)
                ends = [joined(turn, end) for end in self.driver.turns(turn.where, folder)] if is_quick else []
            for end in ends:
                for found in self._finished(mind, end):
                    yield found._replace(cost=end.cost + found.cost, text=end.text + found.text)

    def _marker(self, job: int, attempt: int) -> int:
        return self.files.place[layout.done_marker(EXPERIMENT, job_id(job), attempt)]

    def _published(self, mind: Mind, unsent: tuple[int, int, str], outcome: Published, folder: Folder) -> Next:
        job, attempt, temp = unsent
        if outcome in {Published.UNKNOWN, Published.GONE}:
            return Next(mind, folder, text=f" {outcome.name}")
        mind = mind._replace(unsent=mind.unsent - {unsent})
        if outcome is not Published.ACCEPTED:
            return Next(mind, folder, text=f" {outcome.name}")
        end = folder[self.files.place[layout.end(EXPERIMENT, job_id(job), attempt)]]
        broken = (
            "" if self.files.files[end] == temp else f"{job_id(job)}.{attempt:04d}: accepted, and it is not its end"
        )
        return Next(mind.noting(job, Names(ends=frozenset({attempt}))), folder, text=" ACCEPTED", broken=broken)

    def _closed(self, mind: Mind, why: str, result: Closing, folder: Folder) -> Iterator[Next]:
        if result is Closing.CLOSED and self.files.lease_is(folder, mind.sid, "beating", "silent"):
            yield from self._follow(
                mind._replace(about=("release", why)), folder, self.driver.start(ReleaseLease(mind.sid))
            )
            return
        yield self._released(mind, why, folder)

    def _released(self, mind: Mind, why: str, folder: Folder) -> Next:
        if why == "leaves":
            return Next(_gone(mind), folder, text=" and is gone")
        new = mind._replace(number=mind.number + 1, tried=frozenset(), roll=0)
        opened = self._opened(folder, new.sid) if new.number < self.sessions else None
        if opened is None:
            return Next(_gone(mind), folder, text=" and may open no other: BEYOND the bounds")
        return Next(new, opened, text=f" and opens {new.sid}")


def _seen(names: tuple[str, ...], job: int) -> Names:
    return group_names(map(layout.parse_register, names)).get(job_id(job), NOTHING)


def _told(names: Names) -> str:
    parts = ((names.claims, ""), (names.ends, ".end"), (names.voids, ".void"))
    return " ".join(f"{number}{suffix}" for numbers, suffix in parts for number in sorted(numbers)) or "nothing"


def _moving(mind: Mind, part: Part, folder: Folder) -> Iterator[Next]:
    """What changes nothing is no move."""
    for found in part(folder):
        if found.broken or found.mind != mind or found.folder != folder:
            yield found


def _gone(mind: Mind) -> Mind:
    return fresh_mind(mind.who, len(mind.views), mind.number)._replace(state=GONE)
