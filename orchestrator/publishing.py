"""Ends on their way into the folder: written, put, and tried again while the folder cannot be written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs import layout
from jobs.queue import AddMarker, Publish, Published
from jobs.records import End, EndRecord
from jobs.store import Failed, FolderStore, Make, Read, carry_out

GIVE_UP_SECONDS = 3600.0
_MAX_PAUSE_SECONDS = 30.0


@dataclass
class Pending:
    """An end that is to be put.

    Attributes:
        record: the whole record; `folder`: of a done attempt, its folder's name; None: it left none.
        released: the ready-made ticket that takes its place when the folder will not take the record for an hour.
    """

    experiment: str
    job: str
    attempt: int
    record: EndRecord
    folder: str | None
    sid: str
    released: str
    temp: str = ""
    tries: int = 0
    first_try: float = 0.0
    not_before: float = 0.0
    problem: str = ""


@dataclass
class Outbox:
    """Puts ends, and keeps those that could not be put yet.

    A result that was computed is never thrown away for a passing error.
    """

    store: FolderStore
    clock: Callable[[], float] = time.monotonic
    pending: list[Pending] = field(default_factory=list)

    def send(self, pending: Pending) -> Published:
        """Put an end now; UNKNOWN when it has to be tried again."""
        pending.first_try = self.clock()
        self.pending.append(pending)  # before the try: should that raise, the worker tries once more as it leaves
        return self._try(pending)

    def retry(self, *, at_once: bool = False) -> list[tuple[Pending, Published]]:
        """Try again what is due, or `at_once` all there is; what was settled."""
        due = [pending for pending in self.pending if at_once or pending.not_before <= self.clock()]
        outcomes = [(pending, self._try(pending)) for pending in due]
        return [(pending, outcome) for pending, outcome in outcomes if outcome is not Published.UNKNOWN]

    def give_up(self) -> list[tuple[Pending, Published]]:
        """The worker leaves: what could never be written ends by the ready-made ticket, so that others go on at once.

        What was written stays as it is: it may have been put.
        """
        settled: list[tuple[Pending, Published]] = []
        for pending in [pending for pending in self.pending if not pending.temp]:
            if (outcome := self._give_up(pending)) is not Published.UNKNOWN:
                settled.append((pending, outcome))
                self.pending = [other for other in self.pending if other is not pending]
        return settled

    def next_due(self) -> float:
        return min((pending.not_before for pending in self.pending), default=float("inf"))

    def _try(self, pending: Pending) -> Published:
        is_again = pending.tries > 0
        pending.tries += 1
        outcome = self._put(pending)
        if outcome is Published.GONE and pending.temp:
            pending.temp = ""  # our private file was swept: make it again
            outcome = self._put(pending)
        if outcome is Published.SUPERSEDED and is_again:
            outcome = self._look_whose(pending)
        if outcome is Published.UNKNOWN:
            pending.not_before = self.clock() + min(0.5 * 2**pending.tries, _MAX_PAUSE_SECONDS)
        else:
            self.pending = [other for other in self.pending if other is not pending]
        return outcome

    def _look_whose(self, pending: Pending) -> Published:
        """After a put of unknown outcome: the end that stands may be this very one, from a file that was swept."""
        data = self.store.answer(Read(layout.end(pending.experiment, pending.job, pending.attempt)))
        if not isinstance(data, bytes):
            return Published.UNKNOWN
        if data != pending.record.encode():
            return Published.SUPERSEDED
        if pending.record.kind is End.DONE:
            carry_out(AddMarker(pending.experiment, pending.job, pending.attempt, pending.folder), self.store)
        return Published.ACCEPTED

    def _put(self, pending: Pending) -> Published:
        if not pending.temp:
            temp = layout.ticket(pending.sid, os.urandom(8).hex())
            if isinstance(reply := self.store.answer(Make(temp, pending.record.encode())), Failed):
                pending.problem = reply.error
                is_over = self.clock() - pending.first_try >= GIVE_UP_SECONDS
                return self._give_up(pending) if is_over else Published.UNKNOWN
            pending.temp = temp
        is_done = pending.record.kind is End.DONE
        publish = Publish(
            pending.experiment,
            pending.job,
            pending.attempt,
            pending.temp,
            folder=pending.folder if is_done else None,
            is_done=is_done,
        )
        outcome: Published = carry_out(publish, self.store)
        return outcome

    def _give_up(self, pending: Pending) -> Published:
        """Put the ready-made ticket, which needs no data block; from then on the attempt is a released one."""
        give_up = Publish(pending.experiment, pending.job, pending.attempt, pending.released, keep=True)
        outcome: Published = carry_out(give_up, self.store)
        if outcome is Published.ACCEPTED:
            pending.record = EndRecord(End.RELEASED, {"error": f"its end could not be written: {pending.problem}"})
            pending.folder = None
        return outcome
