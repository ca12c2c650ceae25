"""What became of a worker's attempts: put into the folder, counted, and told; and the circuit breaker."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Final

from jobs.claims import FAILURES, Names, Verdict, final_verdict
from jobs.queue import Published
from jobs.records import End, EndRecord
from jobs.view import policy_of
from orchestrator.attempt import Attempt, Ending
from orchestrator.place import Place
from orchestrator.publishing import Outbox, Pending

BREAKER_ENDS: Final = 3


@dataclass
class Ends:
    """The ends of a worker's attempts.

    Attributes:
        counts: ends that were accepted, by kind.
        untold: how many ends were too small to be told one by one.
        final_failures: jobs that this worker ran and that failed for good.
        broken: experiments that it stopped claiming.
        first_errors: the errors that an experiment began with here; None once an end was of another kind.
    """

    place: Place
    outbox: Outbox
    counts: dict[End, int] = field(default_factory=dict)
    untold: int = 0
    final_failures: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    first_errors: dict[str, list[str] | None] = field(default_factory=dict)

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
            view.done.setdefault(pending.job, set()).add(pending.attempt)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self._mind_the_breaker(pending.experiment, kind, str(body.get("error", "")))
        if kind is End.DONE and not pending.folder:
            self.untold += 1
        else:
            self.place.say(f"{kind.value} {name}" + (f": {body['error']}" if body.get("error") else ""))
        history = self.place.board.history(pending.experiment, pending.job)
        policy = policy_of(view.plan.lines[pending.job])[0]
        if final_verdict(history, policy) in {Verdict.SPENT, Verdict.NAN}:
            self.final_failures.append(name)

    def _mind_the_breaker(self, experiment: str, kind: End, error: str) -> None:
        """Where the first three ends of an experiment all failed with one error, its other jobs would too."""
        seen = self.first_errors.setdefault(experiment, [])
        if seen is None:
            return
        if kind not in FAILURES or (seen and seen[0] != error):
            self.first_errors[experiment] = None
            return
        seen.append(error)
        if len(seen) == BREAKER_ENDS:
            self.place.board.stopped.add(experiment)
            self.broken.append(experiment)
            self.place.say(
                f"{experiment}: the first {BREAKER_ENDS} attempts failed alike ({error}); no more of it here"
            )
