"""What a worker sees to beside its jobs: its own session, those of others, its note, and a word now and then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from jobs.records import End
from orchestrator.feeding import GLANCE_SECONDS, Feeder
from orchestrator.keeping import Keeper
from orchestrator.place import Place
from orchestrator.running import Running
from orchestrator.timetable import Timetable
from orchestrator.watchpost import WatchPost

_NOTE_SECONDS: Final = 10.0


@dataclass
class Upkeep:
    """See the module's docstring."""

    place: Place
    running: Running
    feeder: Feeder
    keeper: Keeper
    post: WatchPost
    timetable: Timetable

    def tend(self) -> None:
        """Look at one's own session and attempts at each beat, write the note, and watch the others."""
        session = self.place.session
        if self.timetable.is_due("beat", session.beat_seconds) or session.is_suspect:
            self.keeper.look()
            self.running.stop_what_was_ended()
        elif self.keeper.is_without and self.place.is_fair:
            self.keeper.look()
        if self.timetable.is_due("note", min(session.beat_seconds, _NOTE_SECONDS)):
            self.write_note()
        if self.timetable.is_due("tally", _NOTE_SECONDS):
            self._say_tally()
        if self.timetable.is_due("watch", GLANCE_SECONDS):
            self._watch()

    def _watch(self) -> None:
        """A worker that claims nothing now watches too, or what a dead session left would wait a lease longer."""
        if not self.feeder.wants_more and self.timetable.is_due("refresh", self.feeder.poll):
            self.feeder.refresh()
        owners = self.place.board.open_claims()
        for sid in {self.place.session.sid, *self.place.session.past}:
            owners.pop(sid, None)
        ended = self.post.exchange(owners, self.place.session.tickets.evicted, self.place.session.claimer)
        if ended:
            self.place.board.ended |= ended
            self.feeder.look_again()

    def _say_tally(self) -> None:
        """Short jobs are not told one by one: say now and then how many there were."""
        if self.running.ends.untold:
            done = self.running.ends.counts.get(End.DONE, 0)
            self.place.say(f"{done} done by this worker, {self.place.board.in_view} in view")
        self.running.ends.untold = 0

    def write_note(self) -> None:
        """Tell people what this worker does, and what it leaves undone."""
        self.place.session.write_note(self._note())

    def _note(self) -> dict[str, Any]:
        who, jobs = self.place.session.claimer, self.running.notes()
        return {
            "session": who.sid,
            "host": who.host,
            "pid": who.pid,
            "lease_seconds": who.lease_seconds,
            "gpus": [gpu.index for gpu in self.running.pool.gpus],
            "slots": self.running.pool.slots,
            "jobs": jobs,
            "waits_for": sorted({problem for problem in self._problems(jobs) if problem}),
            "could_not_run": self.place.board.could_not_run(),
            "stopped": [asdict(trip) for trip in self.running.ends.breaker.tripped],
        }

    def _problems(self, jobs: list[dict[str, Any]]) -> Iterator[str]:
        yield self.place.weather.problem
        yield from ((job["progress"] or {}).get("waiting", "") for job in jobs)
        yield from (pending.problem for pending in self.running.ends.outbox.pending)
