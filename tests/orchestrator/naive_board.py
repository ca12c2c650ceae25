"""What a board has to answer, found by walking over all jobs each time: slow, and plain to see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from jobs.claims import NOTHING, Verdict, final_verdict, is_left_over
from jobs.view import ExperimentView, policy_of
from orchestrator.lanes import shape_of
from orchestrator.ledger import history_of
from orchestrator.picking import Board, Mine, Outlook


@dataclass
class NaiveBoard:
    """Answers from what a board knows, and from none of what it has worked out."""

    board: Board

    def outlook(self, view: ExperimentView, job: str, mine: Mine) -> Outlook:
        """What to expect of a job."""
        line = view.plan.lines[job]
        if view.name in self.board.stopped or shape_of(line) in self.board.ruled_out or self._is_final(view, job):
            return Outlook.NEVER
        needs = self._needs(view, job)
        if needs is Outlook.NEVER or self.board.control.is_held(view.name, job):
            return Outlook.NEVER
        if needs is Outlook.LATER or self.board.retry_at.get((view.name, job), 0.0) > self.board.clock():
            return Outlook.LATER
        return Outlook.LATER if self._runs(view, job, mine) else Outlook.READY

    def is_worth_staying(self, mine: Mine) -> bool:
        """Whether any job may still be claimed."""
        return any(self.outlook(view, job, mine) is not Outlook.NEVER for view, job in self._all())

    def first(self, mine: Mine) -> list[tuple[str, str]]:
        """All jobs that go before all others, in plan order, one experiment after the other."""
        ready = [(view, job) for view, job in self._all() if self.outlook(view, job, mine) is Outlook.READY]
        ranks = [self._rank(view, job) for view, job in ready]
        return [(view.name, job) for (view, job), rank in zip(ready, ranks, strict=True) if rank == min(ranks)]

    def owners(self) -> set[str]:
        """Sessions not known to be over that hold an open claim."""
        held = {self._owner(view, job) for view in self.board.views.values() for job in view.names}
        return {owner for owner in held if owner} - self.board.ended

    def _all(self) -> list[tuple[ExperimentView, str]]:
        return [(view, job) for view in self.board.views.values() for job in view.plan.order]

    def _rank(self, view: ExperimentView, job: str) -> tuple[int, bool]:
        names = view.names.get(job, NOTHING)
        is_open = bool(names.top_claim) and names.top_claim not in names.ends
        priority = self.board.control.priority(view.name, job, policy_of(view.plan.lines[job])[1])
        return -priority, not (is_open or is_left_over(history_of(view, job)))

    def _verdict(self, view: ExperimentView, job: str) -> Verdict | None:
        if view.has_marker(job):
            return Verdict.DONE
        history = history_of(view, job)
        if view.names.get(job, NOTHING).top not in history.ends:
            return None
        return final_verdict(history, policy_of(view.plan.lines[job])[0])

    def _is_final(self, view: ExperimentView, job: str) -> bool:
        return self._verdict(view, job) is not None

    def _owner(self, view: ExperimentView, job: str) -> str:
        names = view.names.get(job, NOTHING)
        if not names.top_claim or names.top_claim in names.ends:
            return ""
        owner = self.board.holders.who.get((view.name, job, names.top_claim))
        return owner.sid if owner else ""

    def _runs(self, view: ExperimentView, job: str, mine: Mine) -> bool:
        """Whether the top attempt is open, and its session not known to be over."""
        names = view.names.get(job, NOTHING)
        top = names.top_claim
        if not top or top in names.ends or top in view.ends.get(job, {}):
            return False
        if (view.name, job, top) in mine.running:
            return True
        owner = self._owner(view, job)
        return not owner or (owner not in self.board.ended and owner not in mine.sids)

    def _needs(self, view: ExperimentView, job: str) -> Outlook:
        body: dict[str, Any] = json.loads(view.plan.lines[job].partition("\t")[2])
        states = [self._need(view, other) for other in body.get("needs", ())]
        for state in (Outlook.NEVER, Outlook.LATER):
            if state in states:
                return state
        return Outlook.READY

    def _need(self, view: ExperimentView, other: str) -> Outlook:
        if other not in view.plan.lines:
            return Outlook.NEVER
        verdict = self._verdict(view, other)
        if verdict is not None:
            return Outlook.READY if verdict is Verdict.DONE else Outlook.NEVER
        if self._needs(view, other) is Outlook.NEVER:
            return Outlook.NEVER
        is_held = self.board.control.is_held(view.name, other)
        runs = self._runs(view, other, Mine(frozenset(), frozenset()))
        return Outlook.NEVER if is_held and not runs else Outlook.LATER
