"""Claims with one mistake each, which both the random worlds and the model checker must notice."""

from __future__ import annotations

from dataclasses import replace

from jobs.claims import History
from jobs.queue import Claim, Step
from jobs.records import End, EndRecord
from jobs.store import Reply, Won


class EvictsUnread(Claim):
    """It takes a session for over whose end it has not read."""

    def step(self, reply: Reply) -> Step:
        return super().step(b"over" if self.phase == "read_session_end" else reply)


class TrustsAbsence(Claim):
    """It takes an end that does not show for a harmless one."""

    def step(self, reply: Reply) -> Step:
        is_guess = self.phase == "read_end" and not isinstance(reply, bytes)
        return super().step(EndRecord(End.EVICTED, {}).encode() if is_guess else reply)


class TakesUnknownForMine(Claim):
    """It runs what it may have claimed."""

    def step(self, reply: Reply) -> Step:
        return super().step(Won.MINE if self.phase == "put_claim" and reply is Won.UNKNOWN else reply)


class ForgetsVoids(Claim):
    """It counts ends that a requeue has taken back, and so strands the job."""

    @property
    def history(self) -> History:
        return History(self.names.top_claim, {n: record.kind for n, record in self.known.items()})


class ForgetsTheSecondListing(Claim):
    """It starts a later attempt without looking for a cancel or a fresh void."""

    def step(self, reply: Reply) -> Step:
        return super().step(() if self.phase == "list_again" else reply)


class ForgetsItsSlots(Claim):
    """It releases what its own other slot still runs."""

    def step(self, reply: Reply) -> Step:
        me = replace(self.me, running=frozenset())
        return Claim.step(replace(self, me=me), reply)
