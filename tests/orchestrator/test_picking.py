"""The board of `orchestrator.picking`: what to expect of a job, in which order to try, and what claims teach."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from jobs import layout
from jobs.claims import NOTHING, History, Names, Policy, Verdict
from jobs.control import Command, Verb, add_command
from jobs.queue import Claim, Claimed, Job, Skipped, Why
from jobs.records import Claimer, End, EndRecord
from jobs.store import carry_out
from jobs.view import policy_of
from orchestrator.lanes import Shape
from orchestrator.picking import Board, Mine, Outlook, Picked
from tests.jobs.clock import Clock
from tests.jobs.registers import EXPERIMENT, Root, me, spec

NOBODY = Mine(frozenset(), frozenset())


@pytest.fixture
def board(root: Root, clock: Clock) -> Board:
    return Board(root.path, root.store, clock)


def outlook(board: Board, job: str = "a-1", mine: Mine = NOBODY) -> Outlook:
    return board.outlook(EXPERIMENT, job, mine)


def order(board: Board, mine: Mine = NOBODY) -> list[tuple[str, str]]:
    """All that a worker would claim, one after the other, if nothing of it ended."""
    found: list[tuple[str, str]] = []
    while batch := board.candidates(mine).jobs:
        found.append(batch[0])
        experiment, job = batch[0]
        board.turn = experiment
        view = board.views[experiment]
        view.note(job, Names(claims=frozenset({view.names.get(job, NOTHING).top + 1})))
    return found


def try_claim(root: Root, board: Board, who: Claimer, job: str = "a-1", **more: Any) -> Claimed | Skipped:
    """Claim as a worker does, and learn from it."""
    view = board.views[EXPERIMENT]
    policy = policy_of(view.plan.lines[job])[0]
    names, known = view.names.get(job, NOTHING), view.ends.get(job, {})

    def may_run(history: History) -> bool:
        return board.is_backoff_over(EXPERIMENT, job, history)

    claim = Claim(me(who, **more), Job(EXPERIMENT, job, policy), names, known, may_run)
    outcome: Claimed | Skipped = carry_out(claim, root.store)
    if isinstance(outcome, Skipped):
        board.learn(outcome)
    return outcome


# --- what to expect of a job ----------------------------------------------------------------------------------------


def test_a_job_that_nobody_tried_is_ready(root: Root, board: Board) -> None:
    root.plan("a-1")
    assert board.refresh()
    assert outlook(board) is Outlook.READY
    assert board.is_worth_staying(NOBODY)


def test_a_claim_of_my_own_is_ready_again_unless_i_run_it(root: Root, board: Board) -> None:
    root.plan("a-1")
    mine = root.session()
    root.claim("a-1", 1, mine)
    board.refresh()
    sids = frozenset({"lost", mine.sid})
    assert outlook(board, mine=Mine(sids, frozenset({(EXPERIMENT, "a-1", 1)}))) is Outlook.LATER
    assert outlook(board, mine=Mine(sids, frozenset({("other", "a-1", 1)}))) is Outlook.READY
    assert outlook(board, mine=Mine(frozenset(), frozenset())) is Outlook.LATER


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_done_job_is_never_to_be_run(root: Root, board: Board, is_marked: bool) -> None:
    root.plan("a-1")
    root.attempts("a-1", root.session(), End.DONE)
    if is_marked:
        root.mark("a-1", 1)
    board.refresh()
    # Without the marker the end has to be read first, which a claim does.
    assert outlook(board) is (Outlook.NEVER if is_marked else Outlook.READY)
    outcome = try_claim(root, board, root.session())
    assert isinstance(outcome, Skipped)
    assert outcome.verdict is Verdict.DONE
    assert outlook(board) is Outlook.NEVER
    assert not board.is_worth_staying(NOBODY)
    assert board.candidates(NOBODY).jobs == []


@pytest.mark.parametrize("kinds", [[End.NAN], [End.CANCELLED], [End.FAILED] * 3, [End.EVICTED] * 5])
def test_a_job_that_is_final_and_read_keeps_no_worker(root: Root, board: Board, kinds: list[End]) -> None:
    root.plan("a-1")
    root.attempts("a-1", root.session(), *kinds)
    board.refresh()
    assert isinstance(try_claim(root, board, root.session()), Skipped)
    assert outlook(board) is Outlook.NEVER
    assert not board.is_worth_staying(NOBODY)


def test_a_requeue_makes_a_final_job_ready_again(root: Root, board: Board) -> None:
    root.plan("a-1")
    root.attempts("a-1", root.session(), End.DONE)
    root.mark("a-1", 1)
    board.refresh()
    seen = [outlook(board)]
    root.void("a-1", 1, fresh=True)
    assert board.refresh()
    assert [*seen, outlook(board)] == [Outlook.NEVER, Outlook.READY]
    assert try_claim(root, board, root.session()) == Claimed(Job(EXPERIMENT, "a-1"), 2, resume_above=1)


def test_what_this_worker_can_never_run_is_left_alone(root: Root, board: Board) -> None:
    root.plan(spec("a-1", gpus=8), "b-2")
    board.refresh()
    board.ruled_out[Shape("call", 1, 8)] = "they need 8 GPUs at once"
    assert [outlook(board, job) for job in ("a-1", "b-2")] == [Outlook.NEVER, Outlook.READY]
    assert board.could_not_run() == [{"experiment": EXPERIMENT, "reason": "they need 8 GPUs at once", "jobs": 1}]
    assert board.left_undone() == [f"1 job of {EXPERIMENT} could not run here: they need 8 GPUs at once"]


def test_the_same_job_in_two_experiments_is_two_jobs(root: Root, board: Board) -> None:
    other = Root(root.path, "other", root.count)
    root.plan("a-1")
    other.plan("a-1")
    root.attempts("a-1", root.session(), End.DONE)
    root.mark("a-1", 1)
    board.refresh()
    assert board.candidates(NOBODY).jobs == [("other", "a-1")]


# --- jobs that need others ------------------------------------------------------------------------------------------


@pytest.fixture
def chain(root: Root) -> Root:
    root.plan(spec("a-1"), spec("b-2", needs=("a-1",)), spec("c-3", needs=("b-2",)))
    return root


def chain_outlook(board: Board) -> list[Outlook]:
    board.refresh()
    return [outlook(board, job) for job in ("a-1", "b-2", "c-3")]


def test_a_job_waits_for_what_it_needs(chain: Root, board: Board) -> None:
    assert chain_outlook(board) == [Outlook.READY, Outlook.LATER, Outlook.LATER]
    assert board.candidates(NOBODY).jobs == [(EXPERIMENT, "a-1")]
    chain.attempts("a-1", chain.session(), End.DONE)
    chain.mark("a-1", 1)
    assert chain_outlook(board) == [Outlook.NEVER, Outlook.READY, Outlook.LATER]


@pytest.mark.parametrize("kind", [End.NAN, End.CANCELLED])
def test_nobody_waits_for_what_will_not_come(chain: Root, board: Board, kind: End) -> None:
    chain.attempts("a-1", chain.session(), kind)
    board.refresh()
    try_claim(chain, board, chain.session())
    assert chain_outlook(board) == [Outlook.NEVER] * 3
    assert not board.is_worth_staying(NOBODY)


def test_nobody_waits_for_a_tried_job_whose_own_need_will_not_come(chain: Root, board: Board) -> None:
    who = chain.session()
    chain.attempts("a-1", who, End.DONE)
    chain.attempts("b-2", who, End.RELEASED)
    chain.void("a-1", 1)
    chain.end("a-1", 2, End.CANCELLED)
    board.refresh()
    try_claim(chain, board, chain.session())
    board.views[EXPERIMENT].keep_end("b-2", 1, EndRecord(End.RELEASED, {}))
    assert chain_outlook(board) == [Outlook.NEVER] * 3


def test_a_need_that_was_requeued_is_waited_for(chain: Root, board: Board) -> None:
    chain.attempts("a-1", chain.session(), End.DONE)
    chain.mark("a-1", 1)
    assert chain_outlook(board)[1] is Outlook.READY
    chain.void("a-1", 1)
    assert chain_outlook(board)[:2] == [Outlook.READY, Outlook.LATER]


# --- what people ask of all workers ---------------------------------------------------------------------------------


def ask(root: Root, verb: Verb, *jobs: str, priority: int | None = None) -> None:
    add_command(root.store, Command(verb, EXPERIMENT, frozenset(jobs) or None, priority))


def test_what_is_held_is_not_claimed_and_keeps_nobody_until_it_is_released(root: Root, board: Board) -> None:
    root.plan("a-1", "b-2")
    board.refresh()
    ask(root, Verb.HOLD)
    assert board.refresh()
    assert order(board) == []
    assert not board.is_worth_staying(NOBODY)
    assert board.left_undone() == [f"2 jobs of {EXPERIMENT} are held: orch release {EXPERIMENT}"]
    ask(root, Verb.RELEASE, "b-2")
    root.plan("c-3")
    assert board.refresh()
    assert order(board) == [(EXPERIMENT, "b-2")]
    assert board.left_undone() == [f"2 jobs of {EXPERIMENT} are held: orch release {EXPERIMENT}"]


def test_what_needs_a_held_job_waits_only_while_that_runs(chain: Root, board: Board) -> None:
    who = chain.session()
    ask(chain, Verb.HOLD, "a-1")
    assert chain_outlook(board) == [Outlook.NEVER] * 3
    chain.claim("a-1", 1, who)
    assert chain_outlook(board) == [Outlook.NEVER, Outlook.LATER, Outlook.LATER]
    board.ended.add(who.sid)
    assert chain_outlook(board) == [Outlook.NEVER] * 3
    ask(chain, Verb.RELEASE, "a-1")
    assert chain_outlook(board) == [Outlook.READY, Outlook.LATER, Outlook.LATER]


def test_a_priority_asked_for_goes_before_that_of_the_plan(root: Root, board: Board) -> None:
    root.plan("a-1", spec("b-2", priority=3), "c-3")
    board.refresh()
    ask(root, Verb.PRIORITY, "c-3", priority=5)
    assert board.refresh()
    assert [job for _, job in order(board)] == ["c-3", "b-2", "a-1"]


def test_a_plan_that_cannot_be_read_is_left_alone_and_told(root: Root, board: Board) -> None:
    root.plan("a-1")
    root.write(layout.plan_file(EXPERIMENT, 2), b'b-2\t{"schema":2}\n')
    assert board.refresh()
    assert not board.is_worth_staying(NOBODY)
    assert order(board) == []
    (told,) = board.problems()
    assert told.startswith(f"{EXPERIMENT}/plan/000002.jsonl: a plan of schema 2, and this orch reads 1; ")
    assert board.left_undone() == [told]


# --- in which order -------------------------------------------------------------------------------------------------


def test_priority_first_then_what_was_left_then_the_plan(root: Root, board: Board) -> None:
    plain = [f"plain-{number}" for number in range(9)]
    root.plan(*plain, spec("late-1", priority=-5), "left-1", "open-1", spec("urgent-1", priority=5))
    who = root.session()
    root.attempts("left-1", who, End.EVICTED)
    root.claim("open-1", 1, who)
    board.refresh()
    board.ended.add(who.sid)
    board.views[EXPERIMENT].keep_end("left-1", 1, EndRecord(End.EVICTED, {}))
    found = [job for _, job in order(board)]
    assert (found[0], found[-1]) == ("urgent-1", "late-1")
    assert sorted(found[1:3]) == ["left-1", "open-1"]
    assert sorted(found[3:-1]) == plain


def picked(root: Root, who: Claimer) -> Picked:
    board = Board(root.path, root.store)
    board.refresh()
    board.look_for_peers()
    return board.candidates(Mine(frozenset({who.sid}), frozenset(), who.sid))


def test_workers_that_see_each_other_begin_with_other_jobs(root: Root) -> None:
    root.plan(*(f"job-{number:03d}" for number in range(200)))
    workers = [root.session() for _ in range(4)]
    shares = [picked(root, who) for who in workers]
    assert sorted(job for share in shares for job in share.jobs) == [(EXPERIMENT, f"job-{n:03d}") for n in range(200)]
    assert all(share.is_own and len(share.jobs) > 20 for share in shares)


def test_what_a_worker_has_no_share_of_it_takes_after_the_others(root: Root) -> None:
    jobs = [f"job-{number:03d}" for number in range(20)]
    root.plan(*jobs)
    first, second, gone = root.session(), root.session(), root.session(is_beating=False)
    for _, job in picked(root, first).jobs:
        root.claim(job, 1, gone)
    share = picked(root, first)
    assert not share.is_own
    assert set(share.jobs) < set(picked(root, second).jobs)
    root.end_session(second)
    assert set(picked(root, first).jobs) == {(EXPERIMENT, job) for job in jobs} - {
        (EXPERIMENT, job) for job in jobs if (root.path / layout.claim(EXPERIMENT, job, 1)).exists()
    }


def test_experiments_of_one_priority_take_turns(root: Root, board: Board) -> None:
    others = [Root(root.path, name, root.count) for name in ("abc", "xyz")]
    for one in (root, *others):
        one.plan(*(f"job-{number}" for number in range(5)))
    others[1].plan(spec("first", priority=1))
    board.refresh()
    names = [name for name, _ in order(board)]
    assert names[0] == "xyz"
    assert names[1:] == ["abc", EXPERIMENT, "xyz"] * 5


# --- what a claim that came to nothing teaches ----------------------------------------------------------------------


def test_a_failed_job_is_left_alone_until_its_back_off_is_over(root: Root, board: Board, clock: Clock) -> None:
    root.plan("a-1")
    who, mine = root.session(), root.session()
    for failures, seconds in ((1, 30), (2, 60)):
        root.attempts("a-1", who, End.FAILED, after=failures - 1)
        board.refresh()
        outcome = try_claim(root, board, mine)
        assert isinstance(outcome, Skipped)
        assert outcome.why is Why.BACKOFF
        # Counted from when this worker first saw the end, whatever it asks in between.
        clock.now += seconds - 1
        assert outlook(board) is Outlook.LATER
        assert isinstance(try_claim(root, board, mine), Skipped)
        clock.now += 1
        assert board.candidates(NOBODY).jobs == [(EXPERIMENT, "a-1")]
    assert try_claim(root, board, mine) == Claimed(Job(EXPERIMENT, "a-1"), 3, resume_above=0)


@pytest.mark.parametrize("kind", [End.EVICTED, End.PREEMPTED, End.RELEASED])
def test_an_interrupted_job_needs_no_back_off(root: Root, board: Board, kind: End) -> None:
    root.plan("a-1")
    root.attempts("a-1", root.session(), kind)
    board.refresh()
    assert try_claim(root, board, root.session()) == Claimed(Job(EXPERIMENT, "a-1"), 2, resume_above=0)


def test_a_lost_claim_is_known_and_its_holder_is_read_by_the_next_look(root: Root, board: Board) -> None:
    root.plan("a-1")
    board.refresh()
    winner, mine = root.session(), root.session()
    root.claim("a-1", 1, winner)
    outcome = try_claim(root, board, mine)
    assert isinstance(outcome, Skipped)
    assert outcome.why is Why.LOST
    assert board.views[EXPERIMENT].names["a-1"] == Names(claims=frozenset({1}))
    assert outlook(board) is Outlook.LATER
    board.refresh()
    assert board.open_claims() == {winner.sid: winner}


def test_a_claim_of_unknown_outcome_is_not_taken_for_one(root: Root, board: Board, clock: Clock) -> None:
    """It may never have been made: then nobody would ever be seen to hold it, and the job would be lost here."""
    root.plan("a-1")
    board.refresh()
    board.learn(Skipped(Job(EXPERIMENT, "a-1"), Why.UNKNOWN, 1))
    assert board.views[EXPERIMENT].names == {}
    tried = {(EXPERIMENT, "a-1", 1)}
    outcome = try_claim(root, board, root.session(), tried=tried)
    assert isinstance(outcome, Skipped)
    assert outcome.why is Why.TRIED
    assert outlook(board) is Outlook.LATER
    clock.now += 2
    assert isinstance(try_claim(root, board, root.session()), Claimed)


def test_what_is_held_is_not_asked_again_at_once(root: Root, board: Board, clock: Clock) -> None:
    root.plan("a-1")
    other = root.session()
    root.claim("a-1", 1, other)
    board.refresh()
    board.ended.add(other.sid)  # so it was told, yet its end does not show here
    outcome = try_claim(root, board, root.session())
    assert isinstance(outcome, Skipped)
    assert outcome.why is Why.RUNNING
    seen = [outlook(board)]
    clock.now += 2
    assert [*seen, outlook(board)] == [Outlook.LATER, Outlook.READY]


def test_ends_that_were_read_are_kept(root: Root, board: Board) -> None:
    root.plan("a-1")
    root.attempts("a-1", root.session(), End.EVICTED, End.NAN)
    board.refresh()
    try_claim(root, board, root.session())
    assert board.history(EXPERIMENT, "a-1") == History(2, {1: End.EVICTED, 2: End.NAN})
    (root.path / layout.end(EXPERIMENT, "a-1", 2)).unlink()
    outcome = try_claim(root, board, root.session())
    assert isinstance(outcome, Skipped)
    assert outcome.verdict is Verdict.NAN


def test_a_claim_that_is_none_is_left_to_whoever_wrote_it(root: Root, board: Board) -> None:
    root.plan("a-1")
    root.record(b"garbage", layout.claim(EXPERIMENT, "a-1", 1))
    board.refresh()
    assert outlook(board) is Outlook.LATER
    assert board.open_claims() == {}


def test_the_budget_of_the_plan_decides(root: Root, board: Board) -> None:
    root.plan(spec("a-1", max_attempts=1))
    root.attempts("a-1", root.session(), End.FAILED)
    board.refresh()
    outcome = try_claim(root, board, root.session())
    assert isinstance(outcome, Skipped)
    assert (outcome.verdict, outcome.job.policy) == (Verdict.SPENT, Policy(1))
    assert outlook(board) is Outlook.NEVER


def test_jobs_without_room_do_not_stand_before_others(root: Root, board: Board) -> None:
    root.plan(*(spec(f"wide-{number}", gpus=2, priority=1) for number in range(400)), "a-1")
    board.refresh()
    wide = board.shape(EXPERIMENT, "wide-0")
    assert board.candidates(NOBODY).jobs[0][1].startswith("wide-")
    assert board.candidates(NOBODY, {wide}).jobs == [(EXPERIMENT, "a-1")]


def test_an_ended_session_is_seen_among_its_peers_and_its_jobs_go_first(root: Root, board: Board) -> None:
    root.plan(*(f"job-{number}" for number in range(9)))
    who = root.session()
    root.claim("job-7", 1, who)
    board.refresh()
    root.end_session(who)
    assert board.candidates(NOBODY).jobs[0] != (EXPERIMENT, "job-7")
    board.look_for_peers()
    assert board.candidates(NOBODY).jobs == [(EXPERIMENT, "job-7")]
    assert board.open_claims() == {}
    assert not (root.path / layout.lease(who.sid)).exists()


# --- the root -------------------------------------------------------------------------------------------------------


def test_a_root_that_cannot_be_listed_for_a_moment_changes_nothing(root: Root, board: Board, tmp_path: Path) -> None:
    root.plan("a-1")
    board.refresh()
    away = tmp_path.with_name(f"{tmp_path.name}-away")
    tmp_path.rename(away)
    tmp_path.touch()
    assert not board.refresh()
    assert board.candidates(NOBODY).jobs == [(EXPERIMENT, "a-1")]
    tmp_path.unlink()
    away.rename(tmp_path)
    root.plan("b-2")
    assert board.refresh()
    assert sorted(order(board)) == [(EXPERIMENT, "a-1"), (EXPERIMENT, "b-2")]


def test_an_experiment_that_is_given_up_keeps_no_worker(root: Root, board: Board) -> None:
    root.plan("a-1")
    board.refresh()
    board.stopped.add(EXPERIMENT)
    assert not board.is_worth_staying(NOBODY)
    assert board.candidates(NOBODY).jobs == []


def test_the_claims_of_a_session_are_told_by_their_inode_and_opened_once(
    root: Root, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opens a ticket for reading, on NFS 4, and dies, holds up its owner's next claim."""
    root.plan("a-1", "b-1", "c-1")
    who, other = root.session(), root.session()
    for job, owner in (("a-1", who), ("b-1", who), ("c-1", other)):
        root.claim(job, 1, owner)
    opened: list[str] = []
    real = os.open

    def count(path: str, flags: int, *rest: int) -> int:
        if not flags & os.O_PATH:
            opened.append(str(path))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", count)
    board.refresh()
    assert {key[1]: owner.sid for key, owner in board.holders.who.items()} == {
        "a-1": who.sid,
        "b-1": who.sid,
        "c-1": other.sid,
    }
    assert sum("/log/" in path and path.endswith(".0001") for path in opened) == 2
