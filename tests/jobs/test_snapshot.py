from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jobs import layout
from jobs.control import Command, ControlLog, Verb, add_command
from jobs.examining import Examiner
from jobs.process import start_ticks
from jobs.records import Claimer, End, encode_void
from jobs.sessions import encode_note
from jobs.signs import Sessions
from jobs.snapshot import JobState, State, accepted, planned, snapshot
from tests.jobs.registers import EXPERIMENT, LEASE, Root, spec


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path)
    root.plan("a-1", "b-2", "c-3")
    return root


def state(root: Root, job: str = "a-1") -> JobState:
    """A job's state, once it is sure that the states add up."""
    (experiment,) = snapshot(root.path).experiments
    counts = dict(experiment.counts)
    assert counts.pop("total") == sum(counts.values()) == len(experiment.jobs) == len(experiment.index.order)
    (found,) = [each for each in experiment.jobs if each.job == job]
    return found


def session_on_another_host(root: Root, silent_seconds: float = 0.0) -> Claimer:
    who = root.session(host="elsewhere")
    root.age(layout.lease(who.sid), silent_seconds)
    return who


# --- the states of the design ---------------------------------------------------------------------------------------


def test_a_job_that_nobody_tried_waits(root: Root) -> None:
    assert state(root) == JobState("a-1", State.WAITING, reason="not tried yet")


def test_a_claimed_job_of_a_live_session_runs(root: Root) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    assert state(root) == JobState("a-1", State.RUNNING, 1, who.sid)


def test_a_claimed_job_of_a_session_elsewhere_runs_while_its_lease_is_fresh(root: Root) -> None:
    root.claim("a-1", 1, session_on_another_host(root, LEASE - 10))
    assert state(root).state is State.RUNNING


def test_a_claimed_job_is_silent_when_its_lease_is_older_than_its_owner_said(root: Root) -> None:
    root.claim("a-1", 1, session_on_another_host(root, LEASE + 10))
    assert state(root).state is State.SILENT


def test_silence_is_counted_against_the_freshest_lease_for_that_is_the_servers_clock(root: Root) -> None:
    """The server's clock may be far behind this host's: both leases look old here."""
    old, fresh = session_on_another_host(root, 7200 + LEASE + 10), session_on_another_host(root, 7200)
    root.claim("a-1", 1, old)
    root.claim("b-2", 1, session_on_another_host(root, 7200 + LEASE - 10))
    assert state(root, "a-1").state is State.SILENT
    assert state(root, "b-2").state is State.RUNNING
    assert snapshot(root.path).sessions[old.sid].silent_seconds == pytest.approx(LEASE + 10, abs=1)
    sessions = snapshot(root.path).sessions
    assert [sessions[who.sid].is_own_clock for who in (old, fresh)] == [False, True]


def test_when_all_hosts_are_gone_none_of_them_runs(root: Root) -> None:
    for job, seconds in (("a-1", 7200.0), ("b-2", 7300.0)):
        root.claim(job, 1, session_on_another_host(root, seconds))
    assert [state(root, job).state for job in ("a-1", "b-2")] == [State.SILENT] * 2


def test_a_live_process_of_this_host_runs_even_if_this_hosts_clock_is_off(root: Root) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    root.age(layout.lease(who.sid), 7200)
    assert state(root).state is State.RUNNING
    session_on_another_host(root, 7200 - LEASE - 10)
    assert state(root).state is State.SILENT


def test_a_claimed_job_is_silent_when_its_process_on_this_host_is_gone(root: Root) -> None:
    process = subprocess.Popen(["sleep", "600"])
    who = root.session()
    ours = replace(who, pid=process.pid, start=start_ticks(process.pid) or 0)
    root.write("ticket", ours.encode())
    root.put("ticket", layout.claim(EXPERIMENT, "a-1", 1))
    assert state(root).state is State.RUNNING
    process.kill()
    process.wait()
    assert state(root).state is State.SILENT


@pytest.mark.parametrize("kind", ["evicted", "closed"])
def test_a_claimed_job_of_a_session_that_has_ended_is_silent(root: Root, kind: str) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    root.end_session(who, kind)
    assert state(root).state is State.SILENT
    assert who.sid not in snapshot(root.path).sessions


def test_a_claimed_job_whose_lease_is_not_there_is_silent(root: Root) -> None:
    root.claim("a-1", 1, root.session(host="elsewhere", is_beating=False))
    assert state(root).state is State.SILENT


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_done_job_is_done_with_its_marker_and_without(root: Root, is_marked: bool) -> None:
    root.attempts("a-1", root.session(), End.EVICTED, End.DONE)
    if is_marked:
        root.mark("a-1", 2)
    found = state(root)
    assert (found.state, found.attempt) == (State.DONE, 2)


def test_a_job_whose_budget_is_spent_has_failed(root: Root) -> None:
    who = root.session()
    root.attempts("a-1", who, End.FAILED, End.OOM)
    assert state(root).state is State.WAITING
    root.claim("a-1", 3, who)
    root.end("a-1", 3, End.FAILED, error="CUDA error: 3")
    found = state(root)
    assert (found.state, found.attempt, found.reason) == (State.FAILED, 3, "CUDA error: 3")


def test_the_budget_is_the_one_of_the_plan(root: Root) -> None:
    root.plan(spec("d-4", max_attempts=1), spec("e-5", max_attempts=4))
    for job in ("d-4", "e-5"):
        root.attempts(job, root.session(), *[End.FAILED] * (1 if job == "d-4" else 3))
    assert state(root, "d-4").state is State.FAILED
    assert state(root, "e-5").state is State.WAITING


@pytest.mark.parametrize(("count", "expected"), [(4, State.WAITING), (5, State.FAILED)])
def test_a_job_that_keeps_killing_its_worker_has_failed(root: Root, count: int, expected: State) -> None:
    root.attempts("a-1", root.session(), *[End.EVICTED] * count)
    assert state(root).state is expected


def test_a_result_that_is_not_a_number_has_failed_at_once(root: Root) -> None:
    root.attempts("a-1", root.session(), End.NAN)
    assert state(root).state is State.FAILED


@pytest.mark.parametrize(
    ("kinds", "reason", "seconds"),
    [
        ([End.EVICTED], "after an eviction", 0),
        ([End.PREEMPTED], "after a preemption", 0),
        ([End.RELEASED], "after a release", 0),
        ([End.FAILED], "after a failure", 30),
        ([End.OOM], "after it ran out of memory", 30),
        ([End.FAILED, End.OOM], "after it ran out of memory", 60),
        ([End.FAILED, End.EVICTED, End.FAILED], "after a failure", 60),
        ([End.FAILED, End.EVICTED], "after an eviction", 0),
    ],
)
def test_a_job_whose_last_end_allows_another_attempt_waits(
    root: Root, kinds: list[End], reason: str, seconds: float
) -> None:
    root.plan(spec("d-4", max_attempts=9))
    root.attempts("d-4", root.session(), *kinds)
    found = state(root, "d-4")
    assert (found.state, found.attempt, found.reason) == (State.WAITING, len(kinds), reason)
    assert found.backoff_seconds == seconds


@pytest.mark.parametrize(("kind", "count"), [(End.EVICTED, 5), (End.PREEMPTED, 100)])
def test_a_job_that_failed_by_no_error_of_its_own_says_what_came_too_often(root: Root, kind: End, count: int) -> None:
    root.plan(spec("d-4", max_attempts=200))
    root.attempts("d-4", root.session(), *[kind] * (count - 1))
    assert state(root, "d-4").state is State.WAITING
    root.attempts("d-4", root.session(), kind, after=count - 1)
    assert state(root, "d-4").state is State.FAILED
    assert f" {count} times" in state(root, "d-4").reason


def test_a_cancelled_job_is_cancelled_claimed_or_not(root: Root) -> None:
    who = root.session()
    root.end("a-1", 1, End.CANCELLED)
    root.attempts("b-2", who, End.FAILED, End.CANCELLED)
    root.attempts("c-3", who, End.FAILED)
    root.end("c-3", 2, End.CANCELLED)
    assert [state(root, job).state for job in ("a-1", "b-2", "c-3")] == [State.CANCELLED] * 3


@pytest.mark.parametrize("kind", [End.DONE, End.CANCELLED, End.NAN, End.FAILED])
def test_a_requeued_job_waits_and_starts_its_counts_anew(root: Root, kind: End) -> None:
    who = root.session()
    before = [End.FAILED, End.FAILED] if kind is End.FAILED else []
    root.attempts("a-1", who, *before, kind)
    top = len(before) + 1
    if kind is End.DONE:
        root.mark("a-1", top)
    assert state(root).state is not State.WAITING
    root.void("a-1", top, fresh=True)
    assert state(root).state is State.WAITING
    root.attempts("a-1", who, End.FAILED, End.FAILED, after=top)
    assert state(root).state is State.WAITING
    root.attempts("a-1", who, End.FAILED, after=top + 2)
    assert state(root).state is State.FAILED


def test_a_requeued_job_that_was_claimed_again_runs(root: Root) -> None:
    who = root.session()
    root.attempts("a-1", who, End.DONE)
    root.mark("a-1", 1)
    root.void("a-1", 1)
    root.claim("a-1", 2, who)
    assert (state(root).state, state(root).attempt) == (State.RUNNING, 2)


# --- jobs that need others ------------------------------------------------------------------------------------------


@pytest.fixture
def chain(root: Root) -> Root:
    """c-3 stands before b-2, which it needs."""
    root.plan(spec("z-9", needs=("y-8",)), spec("y-8", needs=("a-1",)))
    return root


def test_a_job_is_blocked_until_what_it_needs_is_done(chain: Root) -> None:
    who = chain.session()
    assert state(chain, "y-8") == JobState("y-8", State.BLOCKED, reason="needs a-1, which is waiting")
    assert state(chain, "z-9") == JobState("z-9", State.BLOCKED, reason="needs y-8, which is blocked")
    chain.claim("a-1", 1, who)
    assert state(chain, "y-8").reason == "needs a-1, which is running"
    chain.end("a-1", 1, End.DONE)
    assert state(chain, "y-8").state is State.WAITING
    assert state(chain, "z-9").state is State.BLOCKED


def test_a_job_that_needs_one_that_failed_for_good_has_failed_and_so_on(chain: Root) -> None:
    chain.attempts("a-1", chain.session(), End.NAN)
    assert state(chain, "y-8") == JobState("y-8", State.FAILED, reason="needs a-1, which failed for good")
    assert state(chain, "z-9").state is State.FAILED


def test_a_job_that_needs_a_cancelled_one_or_one_that_is_not_planned_is_blocked(chain: Root) -> None:
    chain.end("a-1", 1, End.CANCELLED)
    chain.plan(spec("x-7", needs=("nowhere-0",)))
    assert state(chain, "y-8") == JobState("y-8", State.BLOCKED, reason="needs a-1, which is cancelled")
    assert state(chain, "x-7") == JobState("x-7", State.BLOCKED, reason="needs nowhere-0, which is not planned")


def test_a_tried_job_is_blocked_again_when_what_it_needs_was_requeued(chain: Root) -> None:
    who = chain.session()
    chain.attempts("a-1", who, End.DONE)
    chain.attempts("y-8", who, End.RELEASED)
    assert state(chain, "y-8").state is State.WAITING
    chain.void("a-1", 1, fresh=True)
    assert state(chain, "y-8").state is State.BLOCKED


def test_a_chain_may_be_as_long_as_a_plan_and_stand_in_any_order(root: Root) -> None:
    links = [spec(f"k-{number}", needs=(f"k-{number + 1}",)) for number in range(3000)]
    root.plan(*links, spec("k-3000"))
    assert state(root, "k-0").state is State.BLOCKED
    root.attempts("k-3000", root.session(), End.NAN)
    assert state(root, "k-0") == JobState("k-0", State.FAILED, reason="needs k-1, which failed for good")


def test_jobs_that_need_each_other_are_blocked(root: Root) -> None:
    """No grid makes such a plan, but anybody may write to the folder."""
    root.plan(spec("x-1", needs=("x-2",)), spec("x-2", needs=("x-1",)), spec("x-3", needs=("x-3",)))
    assert [state(root, f"x-{number}").state for number in (1, 2, 3)] == [State.BLOCKED] * 3


# --- held jobs ------------------------------------------------------------------------------------------------------


def command(root: Root, verb: Verb, *jobs: str) -> None:
    add_command(root.store, Command(verb, EXPERIMENT, frozenset(jobs) or None))


def test_a_held_job_that_would_wait_is_blocked_until_it_is_released(root: Root) -> None:
    command(root, Verb.HOLD, "a-1")
    assert state(root) == JobState("a-1", State.BLOCKED, reason="held: orch release a-1")
    assert state(root, "b-2").state is State.WAITING
    command(root, Verb.HOLD)
    assert state(root, "b-2").reason == f"held: orch release {EXPERIMENT}"
    command(root, Verb.RELEASE)
    assert [state(root, job).state for job in ("a-1", "b-2")] == [State.WAITING] * 2


def test_a_held_job_that_was_tried_keeps_what_is_known_of_its_attempts(root: Root) -> None:
    root.attempts("a-1", root.session(), End.FAILED)
    command(root, Verb.HOLD, "a-1")
    found = state(root)
    assert (found.state, found.attempt, found.backoff_seconds) == (State.BLOCKED, 1, 0)
    assert found.end is not None


def test_a_hold_changes_nothing_for_a_job_that_runs_or_is_over(root: Root) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    root.attempts("b-2", who, End.DONE)
    root.end("c-3", 1, End.CANCELLED)
    command(root, Verb.HOLD)
    found = [state(root, job).state for job in ("a-1", "b-2", "c-3")]
    assert found == [State.RUNNING, State.DONE, State.CANCELLED]


def test_what_needs_a_held_job_is_blocked_by_it(chain: Root) -> None:
    command(chain, Verb.HOLD, "a-1")
    assert state(chain, "y-8").reason == "needs a-1, which is blocked"
    chain.attempts("a-1", chain.session(), End.NAN)
    assert state(chain, "y-8").state is State.FAILED


def test_a_command_of_a_newer_version_is_told_of(root: Root) -> None:
    command(root, Verb.HOLD, "a-1")
    root.record(b'{"schema": 2}', layout.control_file(2))
    assert "it has schema 2" in snapshot(root.path).problem
    assert state(root).state is State.BLOCKED


# --- listings that are late, or of more than one moment -------------------------------------------------------------


def examiner_of(root: Root) -> Examiner:
    return Examiner(root.path, EXPERIMENT, ControlLog(), Sessions(root.path))


@pytest.mark.parametrize("hidden", [["a-1.0001.end"], ["a-1.0001.end", "a-1.0001"]])
def test_a_done_job_whose_shard_does_not_show_that_yet_is_done(root: Root, hidden: list[str]) -> None:
    """A client may list what the folder held a while ago; the marker and the record themselves are there."""
    root.attempts("a-1", root.session(), End.DONE)
    root.mark("a-1", 1)
    examiner, shard = examiner_of(root), root.path / layout.log_shard(EXPERIMENT, "a-1")
    for name in hidden:
        (shard / name).rename(root.path / name)
    examiner.look()
    assert state(root).state is not State.DONE, "no record, so the marker proves nothing"
    for name in hidden:
        (root.path / name).rename(shard / name)
    assert examiner.judge().state("a-1") == JobState("a-1", State.DONE, 1)


def test_an_attempt_that_ended_after_the_listing_is_not_silent(root: Root) -> None:
    """Its worker had only just begun, put the end and left, right after the claim was listed."""
    examiner = examiner_of(root)
    who = root.session()
    root.claim("a-1", 1, who)
    root.claim("b-2", 1, who)
    examiner.look()
    root.end("a-1", 1, End.FAILED)
    root.end("b-2", 1, End.DONE)
    root.end_session(who, "closed")
    found = examiner.judge()
    assert (found.state("a-1").state, found.state("a-1").reason) == (State.WAITING, "after a failure")
    assert found.state("b-2").state is State.DONE


def test_a_session_that_began_after_the_first_look_is_alive(root: Root) -> None:
    examiner = examiner_of(root)
    root.claim("a-1", 1, session_on_another_host(root))
    assert examiner.examine().state("a-1").state is State.RUNNING


@pytest.mark.parametrize("part", ["log", "done", "plan"])
def test_what_cannot_be_listed_is_an_error_and_never_an_empty_folder(root: Root, part: str) -> None:
    root.attempts("a-1", root.session(), End.DONE)
    root.mark("a-1", 1)
    folder = root.path / EXPERIMENT / part
    folder = folder if part == "plan" else folder / layout.shard("a-1")
    folder.rename(folder.with_name("ff-away"))
    folder.symlink_to(folder.name)  # leads to itself: it can be neither listed nor taken for absent
    with pytest.raises(OSError, match="symbolic links"):
        snapshot(root.path, EXPERIMENT)


def test_strangers_are_named_and_left_alone(root: Root) -> None:
    root.attempts("a-1", root.session(), End.DONE)
    shard = layout.shard("a-1")
    strange = [
        f"{EXPERIMENT}/plan/notes.txt",
        f"{EXPERIMENT}/log/README",
        f"{EXPERIMENT}/log/{shard}/a-1.0002.tmp",
        f"{EXPERIMENT}/log/{shard}/A_1.0002",
        f"{EXPERIMENT}/done/{shard}/a-1.0001.end",
        ".orch/control/later.json",
        ".orch/sessions/README",
    ]
    for path in strange:
        root.write(path, b"strange")
    assert sorted(snapshot(root.path).strangers) == sorted(strange)
    assert state(root).state is State.DONE


def test_only_so_many_strangers_are_named(root: Root) -> None:
    for number in range(50):
        root.write(f"{EXPERIMENT}/log/{number}.txt", b"")
    assert len(snapshot(root.path).strangers) == 20


def test_a_plan_of_a_newer_version_is_told_of_and_the_others_are_shown(root: Root) -> None:
    other = Root(root.path, "other")
    other.plan("d-4")
    root.write(f"{EXPERIMENT}/plan/000002.jsonl", b'e-5\t{"schema": 2}\n')
    first, second = snapshot(root.path).experiments
    assert "schema 2" in first.problem
    assert (first.counts["total"], second.counts["total"], second.problem) == (3, 1, "")


# --- what a root may hold besides -----------------------------------------------------------------------------------


def test_a_root_without_a_plan_is_empty(tmp_path: Path) -> None:
    assert snapshot(tmp_path).experiments == []
    assert snapshot(tmp_path / "nowhere").experiments == []
    (tmp_path / "data").mkdir()
    assert snapshot(tmp_path).experiments == []


def test_all_experiments_or_one(root: Root) -> None:
    other = Root(root.path, "other")
    other.plan("d-4")
    assert [each.name for each in snapshot(root.path).experiments] == [EXPERIMENT, "other"]
    (only,) = snapshot(root.path, "other").experiments
    assert [job.job for job in only.jobs] == ["d-4"]


def test_the_same_job_in_two_experiments_is_two_jobs(root: Root) -> None:
    other = Root(root.path, "other")
    other.plan("a-1")
    root.attempts("a-1", root.session(), End.DONE)
    states = {each.name: each.jobs[0].state for each in snapshot(root.path).experiments}
    assert states == {EXPERIMENT: State.DONE, "other": State.WAITING}


def test_late_and_strange_files_change_nothing(root: Root) -> None:
    root.attempts("a-1", root.session(), End.DONE)
    shard = layout.shard("a-1")
    for path in (
        f"{EXPERIMENT}/log/README",
        f"{EXPERIMENT}/log/{shard}/a-1.0002.tmp",
        f"{EXPERIMENT}/log/{shard}/.nfs0001",
        f"{EXPERIMENT}/log/{shard}/a-1.00003",
        f"{EXPERIMENT}/log/{layout.shard('b-2')}/unplanned-7.0001",
        f"{EXPERIMENT}/done/README",
        f"{EXPERIMENT}/done/{shard}/a-1.0002",
        f"{EXPERIMENT}/done/{layout.shard('b-2')}/b-2.0001",
        ".orch/sessions/README",
        ".orch/sessions/x.json",
    ):
        root.write(path, b"strange")
    (root.path / EXPERIMENT / "done" / "link").symlink_to("nowhere")
    assert [state(root, job).state for job in ("a-1", "b-2", "c-3")] == [State.DONE, State.WAITING, State.WAITING]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff"])
def test_a_record_that_cannot_be_read_is_no_reason_to_fail(root: Root, data: bytes) -> None:
    """Nobody can claim such a job, so it does not wait; its reason says what is wrong."""
    who = root.session()
    root.record(data, layout.claim(EXPERIMENT, "a-1", 1))
    root.claim("b-2", 1, who)
    root.record(data, layout.end(EXPERIMENT, "b-2", 1))
    root.attempts("c-3", who, End.FAILED)
    root.claim("c-3", 2, who)
    root.end("c-3", 2, End.FAILED)
    (root.path / layout.end(EXPERIMENT, "c-3", 1)).write_bytes(data)
    root.write(layout.session_note(who.sid), data)
    for job, what in (("a-1", "its claim"), ("b-2", "attempt 1 ended"), ("c-3", "attempt 1 ended")):
        found = state(root, job)
        assert found.state is State.BLOCKED
        assert what in found.reason
    assert snapshot(root.path).sessions[who.sid].note == {}
    assert list(accepted(root.path, EXPERIMENT)) == []


def test_a_void_whose_end_is_not_listed_yet_leaves_the_job_waiting(root: Root) -> None:
    root.record(encode_void(fresh=False), layout.void(EXPERIMENT, "a-1", 1))
    assert state(root).state is State.WAITING


def test_a_look_never_writes(root: Root) -> None:
    who = root.session()
    root.attempts("a-1", who, End.DONE)
    root.claim("b-2", 1, who)
    before = root.tree()
    snapshot(root.path)
    list(accepted(root.path, EXPERIMENT))
    list(planned(root.path, EXPERIMENT))
    assert root.tree() == before


# --- sessions -------------------------------------------------------------------------------------------------------


def test_open_sessions_are_listed_with_what_they_say_of_themselves(root: Root) -> None:
    mine, idle = root.session(), session_on_another_host(root, 50)
    root.claim("a-1", 1, mine)
    note = {"session": idle.sid, "host": "elsewhere", "lease_seconds": 40.0}
    root.write(layout.session_note(idle.sid), encode_note(note))
    sessions = snapshot(root.path).sessions
    assert set(sessions) == {mine.sid, idle.sid}
    assert sessions[mine.sid].claimer == mine
    assert (sessions[mine.sid].is_silent, sessions[mine.sid].is_ended) == (False, False)
    assert sessions[idle.sid].note == note
    assert sessions[idle.sid].silent_seconds == pytest.approx(50, abs=5)
    assert sessions[idle.sid].is_silent


@pytest.mark.parametrize("said", ["soon", None, [40]])
def test_a_note_that_says_nonsense_does_no_harm(root: Root, said: object) -> None:
    who = session_on_another_host(root, LEASE + 10)
    root.write(layout.session_note(who.sid), encode_note({"lease_seconds": said}))
    assert snapshot(root.path).sessions[who.sid].is_silent


def test_a_lease_from_the_future_is_not_silent(root: Root) -> None:
    """A server whose clock is ahead of this host's."""
    who = root.session(host="elsewhere")
    root.claim("a-1", 1, who)
    then = time.time() + 3600
    os.utime(root.path / layout.lease(who.sid), (then, then))
    assert state(root).state is State.RUNNING
    assert snapshot(root.path).sessions[who.sid].silent_seconds == 0


# --- accepted results -----------------------------------------------------------------------------------------------


def test_accepted_results_come_in_plan_order_from_the_top_attempt(root: Root) -> None:
    who = root.session()
    folder = layout.attempt_folder(EXPERIMENT, "c-3", 2, who.sid)
    root.attempts("c-3", who, End.FAILED)
    root.claim("c-3", 2, who)
    root.end("c-3", 2, End.DONE, sid=who.sid, folder=folder, summary={"metrics": {"test_acc": 0.5}})
    root.claim("a-1", 1, who)
    root.end("a-1", 1, End.DONE, sid=who.sid, folder=None, summary=None)
    root.mark("a-1", 1)
    root.attempts("b-2", who, End.DONE)
    root.void("b-2", 1)
    first, second = accepted(root.path, EXPERIMENT)
    assert (first.spec, first.attempt, first.folder, first.summary) == (spec("a-1"), 1, None, {})
    assert (second.spec.id, second.attempt, second.folder) == ("c-3", 2, root.path / folder)
    assert second.summary == {"metrics": {"test_acc": 0.5}}
    assert second.session == who.sid


def test_all_planned_jobs_in_order_whatever_became_of_them(root: Root) -> None:
    root.attempts("b-2", root.session(), End.DONE)
    assert list(planned(root.path, EXPERIMENT)) == [spec("a-1"), spec("b-2"), spec("c-3")]
