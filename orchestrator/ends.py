"""What became of a worker's attempts: put into the folder, counted, and told."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

from jobs.claims import Names, Verdict, final_verdict
from jobs.queue import Published
from jobs.records import End, EndRecord
from jobs.view import policy_of
from orchestrator.attempt import Attempt, Ending
from orchestrator.breaker import Breaker
from orchestrator.place import Place
from orchestrator.publishing import Outbox, Pending


@dataclass
class Ends:
    """The ends of a worker's attempts.

    Attributes:
        counts: ends that were accepted, by kind.
        untold: how many ends were too small to be told one by one.
        final_failures: jobs that this worker ran and that failed for good.
        breaker: what it claims no more, as it only fails.
    """

    place: Place
    outbox: Outbox
    counts: dict[End, int] = field(default_factory=dict)
    untold: int = 0
    final_failures: list[str] = field(default_factory=list)
    breaker: Breaker = field(default_factory=Breaker)

    def publish(self, attempt: Attempt, outcome: Ending, *, is_kept: bool) -> None:
        """Put an attempt's end; tried again later where the root cannot be written now. `is_kept`: it has a folder."""
        if attempt.is_ended_elsewhere:
            return
        session, root = self.place.session, self.place.store.root
        folder = attempt.folder.relative_to(root).as_posix() if is_kept else None
        body = {"job": attempt.spec.id, "attempt": attempt.number, "sid": session.sid}
        body |= {"nonce": os.urandom(8).hex(), "folder": folder, "ended": time.time()}
        body |= {"seconds": round(time.monotonic() - attempt.started, 3), **outcome.body}
        if folder is None:
            body.pop("files", None)
        pending = Pending(
            attempt.experiment,
            attempt.spec.id,
            attempt.number,
            EndRecord(outcome.kind, body),
            attempt.folder.name if folder else None,
            session.sid,
            session.tickets.released,
        )
        published = self.outbox.send(pending)
        if published is not Published.UNKNOWN:
            self._settled(pending, published)

    def retry(self) -> None:
        """Try again what is due."""
        for pending, outcome in self.outbox.retry():
            self._settled(pending, outcome)

    def leave(self) -> None:
        """Try all there is once more, then give back what could not be written."""
        for pending, outcome in self.outbox.retry(at_once=True):
            self._settled(pending, outcome)
        for pending, outcome in self.outbox.give_up():
            self._settled(pending, outcome)

    def _settled(self, pending: Pending, outcome: Published) -> None:
        """An end stands, ours or another's: take it into the view and the counts, and tell the user."""
        kind, body = pending.record.kind, pending.record.body
        name = f"{pending.experiment}/{pending.job}"
        if outcome is not Published.ACCEPTED:
            self.place.say(
                f"superseded: {name} attempt {pending.attempt}: what it left stays in its folder, for people"
            )
            return
        view = self.place.board.views[pending.experiment]
        view.note(pending.job, Names(ends=frozenset({pending.attempt})))
        view.keep_end(pending.job, pending.attempt, pending.record)
        if kind is End.DONE:
            view.add_marker(pending.job, pending.attempt)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind is End.DONE and not pending.folder:
            self.untold += 1
        else:
            self.place.say(f"{kind.value} {name}" + (f": {body['error']}" if body.get("error") else ""))
        history = self.place.board.history(pending.experiment, pending.job)
        policy = policy_of(view.plan.lines[pending.job])[0]
        if final_verdict(history, policy) in {Verdict.SPENT, Verdict.NAN}:
            self.final_failures.append(name)
        self._mind_the_breaker(pending)

    def _mind_the_breaker(self, pending: Pending) -> None:
        body = pending.record.body
        tripped = self.breaker.ended(pending.experiment, pending.job, pending.record.kind, str(body.get("error", "")))
        if tripped is None:
            return
        if tripped.experiment:
            self.place.board.stopped.add(tripped.experiment)
        what = "no more of it" if tripped.experiment else "nothing more"
        self.place.say(f"{tripped}: this worker claims {what}; mend the cause, then start orch worker again")
