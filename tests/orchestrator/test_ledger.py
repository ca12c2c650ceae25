"""A board that follows what has changed answers like one that walks over all jobs each time."""

from __future__ import annotations

from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jobs.claims import NOTHING, Names
from jobs.control import Command, Verb
from jobs.process import claimer
from jobs.records import End, EndRecord
from jobs.spec import plan_line
from jobs.store import FolderStore
from jobs.view import ExperimentView
from orchestrator.lanes import Shape
from orchestrator.picking import Board, Mine
from tests.jobs.clock import Clock
from tests.jobs.registers import spec
from tests.orchestrator.naive_board import NaiveBoard

EXPERIMENTS = ("one", "two")
JOBS = tuple(f"job-{number}" for number in range(4))
SIDS = ("mine", "lost", "other")
SHAPES = (Shape("call", 1, None), Shape("call", 1, 2))

experiments = st.sampled_from(EXPERIMENTS)
jobs = st.sampled_from(JOBS)
priorities = st.sampled_from([-1, 0, 0, 3])


class Boards(RuleBasedStateMachine):
    """Whatever is planned, claimed, ended, asked for and learnt, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.board = Board(Path("/nowhere"), FolderStore(Path("/nowhere")), self.clock)
        for name in EXPERIMENTS:
            self.board.follow(ExperimentView(self.board.store, name, self.clock))
        self.naive = NaiveBoard(self.board)
        self.running: set[tuple[str, str, int]] = set()

    @property
    def mine(self) -> Mine:
        return Mine(frozenset({"mine", "lost"}), frozenset(self.running), "mine")

    def names(self, experiment: str, job: str) -> Names:
        return self.board.views[experiment].names.get(job, NOTHING)

    @rule(experiment=experiments, job=jobs, needs=st.sets(jobs, max_size=2), priority=priorities, gpus=st.booleans())
    def plan(self, experiment: str, job: str, needs: set[str], priority: int, gpus: bool) -> None:
        earlier = tuple(other for other in sorted(needs) if other < job)  # as their hashes see to it
        planned = spec(job, needs=earlier, priority=priority, gpus=2 if gpus else None)
        self.board.views[experiment].plan.add(plan_line(planned).encode() + b"\n")

    @rule(experiment=experiments, job=jobs, sid=st.sampled_from(SIDS), runs=st.booleans(), is_read=st.booleans())
    def claim(self, experiment: str, job: str, sid: str, runs: bool, is_read: bool) -> None:
        number = self.names(experiment, job).top + 1
        self.board.views[experiment].note(job, Names(claims=frozenset({number})))
        if runs and sid != "other":
            self.running.add((experiment, job, number))
        if is_read:
            self.board.hold((experiment, job, number), claimer(sid, 9.0))
            self.board.views[experiment].changed.add(job)

    @rule(experiment=experiments, job=jobs, kind=st.sampled_from([*End][:-1]), how=st.sets(st.integers(0, 2)))
    def end(self, experiment: str, job: str, kind: End, how: set[int]) -> None:
        """An end that is listed (0), read (1), or marked (2)."""
        view, number = self.board.views[experiment], self.names(experiment, job).top
        if number and how:
            self.running.discard((experiment, job, number))
            view.note(job, Names(ends=frozenset({number})))
            if 1 in how:
                view.keep_end(job, number, EndRecord(kind, {}))
            if 2 in how and kind is End.DONE:
                view.add_marker(job, number)

    @rule(experiment=experiments, job=jobs)
    def requeue(self, experiment: str, job: str) -> None:
        if ends := self.names(experiment, job).ends:
            self.board.views[experiment].note(job, Names(voids=frozenset({max(ends)})))

    @rule(sid=st.sampled_from(["lost", "other"]))
    def end_session(self, sid: str) -> None:
        self.board.ended.add(sid)

    @rule(experiment=experiments, job=jobs, seconds=st.integers(1, 9))
    def leave_alone(self, experiment: str, job: str, seconds: int) -> None:
        self.board.leave_alone(experiment, job, self.clock() + seconds)

    @rule(seconds=st.integers(1, 9))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(
        verb=st.sampled_from(Verb),
        experiment=experiments,
        named=st.none() | st.frozensets(jobs, min_size=1, max_size=2),
        priority=priorities,
    )
    def ask(self, verb: Verb, experiment: str, named: frozenset[str] | None, priority: int) -> None:
        self.board.control._note(Command(verb, experiment, named, priority if verb is Verb.PRIORITY else None))
        self.board.control.files += 1

    @precondition(lambda self: not self.board.stopped)
    @rule(experiment=experiments)
    def stop(self, experiment: str) -> None:
        self.board.stopped.add(experiment)

    @rule()
    def rule_out(self) -> None:
        self.board.ruled_out[SHAPES[1]] = "they need 2 GPUs at once"

    @invariant()
    def answers_are_the_same(self) -> None:
        for view in self.board.views.values():
            for job in view.plan.order:
                expected = self.naive.outlook(view, job, self.mine)
                assert self.board.outlook(view.name, job, self.mine) is expected, (view.name, job)
        assert self.board.is_worth_staying(self.mine) == self.naive.is_worth_staying(self.mine)
        assert self.board.open_claims().keys() == self.naive.owners()

    @invariant()
    def the_same_jobs_come_first(self) -> None:
        expected = sorted(self.naive.first(self.mine))
        found = self.board.candidates(self.mine).jobs
        for name in EXPERIMENTS:
            assert sorted(job for job in found if job[0] == name) == [job for job in expected if job[0] == name]


TestBoards = Boards.TestCase
TestBoards.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
