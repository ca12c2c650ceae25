"""A worker's claims: made one at a time, remembered, and asked again where the folder did not say."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.claims import NOTHING, Verdict
from jobs.queue import AddMarker, Claim, Claimed, Job, Publish, Skipped, Why, ask_again, folder_name, lesson
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
        has_lost: whether another worker was first at the last claim.
    """

    place: Place
    count: int = 0
    unknown: list[tuple[Claim, int]] = field(default_factory=list)
    has_lost: bool = False

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
            claimed = self._take_in(again, carry_out(again, self.place.store))
            if claimed is not None and claim.me.sid == self.place.session.sid:
                answers.append(claimed)
            elif claimed is not None:
                self._give_back(claim, claimed)
        return answers

    def _give_back(self, claim: Claim, claimed: Claimed) -> None:
        """A claim of a session that was lost meanwhile: others end it as soon as they see it, so it is not begun."""
        name = (claimed.job.experiment, claimed.job.id, claimed.attempt)
        carry_out(Publish(*name, claim.me.released, keep=True), self.place.store)

    def _take_in(self, claim: Claim, outcome: Claimed | Skipped) -> Claimed | None:
        self._remember(claim, outcome)
        self.has_lost = isinstance(outcome, Skipped) and outcome.why is Why.LOST
        if isinstance(outcome, Claimed):
            self.place.board.views[claim.job.experiment].note(claim.job.id, lesson(outcome).names)
            self._hold(outcome)
            self.place.session.count_claim()
            self.count += 1
            return outcome
        self.place.board.learn(outcome)
        if lesson(outcome).is_mine:
            self._hold(outcome)
        if outcome.verdict is Verdict.DONE:
            self._add_marker(claim.job.experiment, claim.job.id, outcome)
        return None

    def _remember(self, claim: Claim, outcome: Claimed | Skipped) -> None:
        taught = lesson(outcome)
        key = (claim.job.experiment, claim.job.id, outcome.attempt)
        if taught.tried:
            self.place.session.tried.add(key)
        if taught.asks_again:
            self.unknown.append((claim, outcome.attempt))
        if taught.doubts_session:
            self.place.session.last_good = 0.0
            self.place.session.renew_tickets()

    def _hold(self, outcome: Claimed | Skipped) -> None:
        """Nobody has to be asked whose claim that is."""
        self.place.board.hold((outcome.job.experiment, outcome.job.id, outcome.attempt), self.place.session.claimer)

    def _add_marker(self, experiment: str, job: str, skipped: Skipped) -> None:
        top = max(skipped.ends)
        view = self.place.board.views[experiment]
        if view.done.get(job, 0) < top:
            carry_out(AddMarker(experiment, job, top, folder_name(skipped.ends[top])), self.place.store)
            view.add_marker(job, top)
