"""A worker's claims: made one at a time, remembered, and asked again where the folder did not say."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.claims import NOTHING, Names, Verdict
from jobs.queue import AddMarker, Claim, Claimed, Job, Skipped, Why, ask_again, folder_name
from jobs.spec import JobSpec
from jobs.store import carry_out
from jobs.view import policy_of
from orchestrator.picking import Mine
from orchestrator.place import Place


@dataclass
class Claiming:
    """Puts claims for a worker.

    Attributes:
        count: how many attempts were claimed.
        unknown: claims that may have been put: nothing else is claimed before they are known.
    """

    place: Place
    count: int = 0
    unknown: list[tuple[Claim, int]] = field(default_factory=list)

    def claim(self, spec: JobSpec, experiment: str, mine: Mine) -> Claimed | None:
        """Try to claim the next attempt of a job."""
        board = self.place.board
        view = board.views[experiment]
        claim = Claim(
            self.place.session.me(mine.running),
            Job(experiment, spec.id, policy_of(view.plan.lines[spec.id])[0]),
            view.names.get(spec.id, NOTHING),
            view.ends.get(spec.id, {}),
            lambda history: board.is_backoff_over(experiment, spec.id, history),
        )
        return self._take_in(claim, carry_out(claim, self.place.store))

    def ask_unknown(self) -> list[Claimed]:
        """Put again, with the same ticket, what may have been put; those that turn out to be this worker's."""
        waiting, self.unknown = self.unknown, []
        answers = []
        for claim, attempt in waiting:
            again = ask_again(claim, attempt)
            answers.append(self._take_in(again, carry_out(again, self.place.store)))
        return [claimed for claimed in answers if claimed is not None]

    def _take_in(self, claim: Claim, outcome: Claimed | Skipped) -> Claimed | None:
        experiment, job = claim.job.experiment, claim.job.id
        if isinstance(outcome, Claimed):
            self._remember(experiment, job, outcome.attempt)
            self.place.session.count_claim()
            self.count += 1
            return outcome
        if outcome.why is Why.STOPPED:
            self._remember(experiment, job, outcome.attempt)
        if outcome.why is Why.UNKNOWN:
            # Whose the claim is, if there is one, is not known: only that this session must not put it anew.
            self.place.session.tried.add((experiment, job, outcome.attempt))
            self.unknown.append((claim, outcome.attempt))
        if outcome.why is Why.GONE:
            self.place.session.last_good = 0.0  # the tickets were swept: look at once whether the session still stands
        self.place.board.learn(outcome)
        if outcome.verdict is Verdict.DONE:
            self._add_marker(experiment, job, outcome)
        return None

    def _remember(self, experiment: str, job: str, attempt: int) -> None:
        board = self.place.board
        self.place.session.tried.add((experiment, job, attempt))
        board.views[experiment].note(job, Names(claims=frozenset({attempt})))
        board.holders[(experiment, job, attempt)] = self.place.session.claimer

    def _add_marker(self, experiment: str, job: str, skipped: Skipped) -> None:
        top = max(skipped.ends)
        view = self.place.board.views[experiment]
        if top not in view.done.get(job, set()):
            carry_out(AddMarker(experiment, job, top, folder_name(skipped.ends[top])), self.place.store)
            view.done.setdefault(job, set()).add(top)
