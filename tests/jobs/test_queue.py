"""Claim and publish as step machines: each reply that a folder may give, phase by phase."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobs import layout
from jobs.claims import History, Names, Policy, Verdict
from jobs.queue import (
    AddMarker,
    Claim,
    Claimed,
    Job,
    Me,
    Publish,
    Published,
    Skipped,
    Why,
    ask_again,
    folder_name,
)
from jobs.records import Claimer, End, EndRecord, encode_void
from jobs.store import ABSENT, Failed, List, Point, Put, Read, Reply, Request, Sync, Unlink, Won
from tests.jobs.scripts import play

ME = Me("me", claim="my/claim", released="my/released", evicted="my/evicted")
JOB = Job("exp", "job")
SHARD = layout.log_shard("exp", "job")
FAILED_TO_ASK = Failed("server away")
UNREADABLE: list[Reply] = [ABSENT, FAILED_TO_ASK, b"", b"{"]


def claim_of(attempt: int) -> str:
    return layout.claim("exp", "job", attempt)


def end_of(attempt: int) -> str:
    return layout.end("exp", "job", attempt)


def void_of(attempt: int) -> str:
    return layout.void("exp", "job", attempt)


def ended(kind: End, **body: Any) -> bytes:
    return EndRecord(kind, body).encode()


def claimed_by(sid: str) -> bytes:
    return Claimer(sid, "host", "boot", "ns", 1, 1, 90.0).encode()


def names(claims: int = 0, ends: tuple[int, ...] = (), voids: tuple[int, ...] = ()) -> Names:
    return Names(frozenset(range(1, claims + 1)), frozenset(ends), frozenset(voids))


def claim(seen: Names, *kinds: End, me: Me = ME) -> Claim:
    """A claim by one who has read these ends before."""
    return Claim(me, JOB, seen, {number: EndRecord(kind, {}) for number, kind in enumerate(kinds, 1)})


def skipped(result: Any) -> tuple[Why, Verdict | None]:
    assert isinstance(result, Skipped)
    return result.why, result.verdict


FIRST = claim(names())
SECOND = claim(names(1, (1,)), End.FAILED)
HELD = claim(names(1))


# --- a first attempt ------------------------------------------------------------------------------------------------


def test_a_first_attempt_takes_one_put_and_one_look() -> None:
    requests, result = play(FIRST, [Won.MINE, ABSENT])
    assert requests == [Put("my/claim", claim_of(1)), Read(end_of(1))]
    assert result == Claimed(JOB, 1, resume_above=0)


def test_a_first_attempt_that_was_cancelled_before_its_claim_is_not_run() -> None:
    _, result = play(FIRST, [Won.MINE, ended(End.CANCELLED)])
    assert result == Skipped(JOB, Why.STOPPED, 1)


def test_a_first_attempt_runs_where_the_look_fails_for_its_own_end_will_lose() -> None:
    _, result = play(FIRST, [Won.MINE, FAILED_TO_ASK])
    assert result == Claimed(JOB, 1, resume_above=0)


@pytest.mark.parametrize("first", [FIRST, SECOND])
@pytest.mark.parametrize(
    ("reply", "why"),
    [(Won.THEIRS, Why.LOST), (Won.UNKNOWN, Why.UNKNOWN), (Won.GONE, Why.GONE), (FAILED_TO_ASK, Why.UNKNOWN)],
)
def test_a_put_that_is_not_mine_claims_nothing(first: Claim, reply: Reply, why: Why) -> None:
    requests, result = play(first, [reply])
    attempt = first.names.top_claim + 1
    assert requests == [Put("my/claim", claim_of(attempt))]
    assert isinstance(result, Skipped)
    assert result.why is why
    # What is lost or may have been put is remembered by its number.
    assert result.attempt == (0 if why is Why.GONE else attempt)


def test_what_was_put_before_is_not_put_again() -> None:
    me = replace(ME, tried={("exp", "job", 1), ("other", "job", 2)})
    assert skipped(play(claim(names(), me=me), [])[1]) == (Why.TRIED, None)
    # The same job may be planned in two experiments: those are two jobs.
    requests, _ = play(claim(names(1, (1,)), End.FAILED, me=me), [Won.THEIRS])
    assert requests == [Put("my/claim", claim_of(2))]


# --- who holds the top attempt --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [ABSENT, FAILED_TO_ASK])
def test_a_holder_whose_end_does_not_show_is_left_alone(reply: Reply) -> None:
    requests, result = play(HELD, [claimed_by("other"), reply])
    assert requests == [Read(claim_of(1)), Read(layout.session_end("other"))]
    assert skipped(result) == (Why.RUNNING, None)


def test_a_holder_is_evicted_once_its_sessions_end_was_read() -> None:
    replies: list[Reply] = [
        claimed_by("other"),
        ended(End.EVICTED),
        Won.MINE,
        ended(End.EVICTED),
        Won.MINE,
        ("job.0002",),
    ]
    requests, result = play(HELD, replies)
    assert requests == [
        Read(claim_of(1)),
        Read(layout.session_end("other")),
        Put("my/evicted", end_of(1)),
        Read(end_of(1)),
        Put("my/claim", claim_of(2)),
        List(SHARD),
    ]
    assert result == Claimed(JOB, 2, resume_above=0)


def test_an_eviction_that_meets_the_holders_own_end_takes_that_for_true() -> None:
    replies: list[Reply] = [claimed_by("other"), ended(End.CLOSED), Won.THEIRS, ended(End.DONE)]
    _, result = play(HELD, replies)
    assert skipped(result) == (Why.VERDICT, Verdict.DONE)
    assert result.ends[1].kind is End.DONE


@pytest.mark.parametrize("sid", ["me", "lost-before"])
def test_my_own_attempt_that_nothing_runs_is_released(sid: str) -> None:
    stray = claim(names(1), me=replace(ME, past=frozenset({"lost-before"})))
    requests, result = play(stray, [claimed_by(sid), Won.MINE, ended(End.RELEASED), Won.MINE, ("job.0002",)])
    assert requests[1] == Put("my/released", end_of(1))
    assert result == Claimed(JOB, 2, resume_above=0)


@pytest.mark.parametrize("sid", ["me", "lost-before"])
def test_an_attempt_that_i_still_run_is_left_alone_even_for_a_lost_session(sid: str) -> None:
    me = replace(ME, past=frozenset({"lost-before"}), running={("exp", "job", 1)})
    requests, result = play(claim(names(1), me=me), [claimed_by(sid)])
    assert requests == [Read(claim_of(1))]
    assert skipped(result) == (Why.RUNNING, None)


def test_the_same_attempt_of_another_experiment_is_not_the_one_that_i_run() -> None:
    me = replace(ME, running={("other", "job", 1)})
    requests, _ = play(claim(names(1), me=me), [claimed_by("me"), Won.UNKNOWN])
    assert requests[1] == Put("my/released", end_of(1))


@pytest.mark.parametrize("reply", [*UNREADABLE, ended(End.DONE)])
def test_a_claim_that_cannot_be_read_is_skipped_this_time(reply: Reply) -> None:
    requests, result = play(HELD, [reply])
    assert requests == [Read(claim_of(1))]
    assert skipped(result) == (Why.CLOUDED, None)


@pytest.mark.parametrize(
    ("reply", "why"), [(Won.UNKNOWN, Why.CLOUDED), (FAILED_TO_ASK, Why.CLOUDED), (Won.GONE, Why.GONE)]
)
def test_an_eviction_of_unknown_outcome_claims_nothing(reply: Reply, why: Why) -> None:
    _, result = play(HELD, [claimed_by("other"), ended(End.EVICTED), reply])
    assert skipped(result) == (why, None)


@pytest.mark.parametrize("reply", UNREADABLE)
def test_the_next_attempt_waits_until_the_end_that_an_eviction_met_was_read(reply: Reply) -> None:
    _, result = play(HELD, [claimed_by("other"), ended(End.EVICTED), Won.THEIRS, reply])
    assert skipped(result) == (Why.CLOUDED, None)


# --- ends -----------------------------------------------------------------------------------------------------------


def test_every_end_below_is_read_by_name_whether_the_listing_has_it_or_not() -> None:
    late = claim(Names(frozenset({3}), frozenset({3})))
    replies: list[Reply] = [ended(End.FAILED), ended(End.EVICTED), ended(End.FAILED), Won.MINE, ()]
    requests, result = play(late, replies)
    assert requests[:4] == [Read(end_of(3)), Read(end_of(2)), Read(end_of(1)), Put("my/claim", claim_of(4))]
    assert result == Claimed(JOB, 4, resume_above=0)


@pytest.mark.parametrize("reply", UNREADABLE)
def test_an_end_that_cannot_be_read_leaves_the_job_for_another_time(reply: Reply) -> None:
    requests, result = play(claim(names(2, (2,))), [ended(End.FAILED), reply])
    assert requests == [Read(end_of(2)), Read(end_of(1))]
    assert skipped(result) == (Why.CLOUDED, None)
    # What could be read is handed back: it will never change.
    assert {number: record.kind for number, record in result.ends.items()} == {2: End.FAILED}


def test_ends_that_are_known_are_not_read_again() -> None:
    requests, _ = play(claim(names(2, (1, 2)), End.FAILED, End.EVICTED), [Won.THEIRS])
    assert requests == [Put("my/claim", claim_of(3))]


@pytest.mark.parametrize(
    ("kind", "verdict"), [(End.DONE, Verdict.DONE), (End.CANCELLED, Verdict.CANCELLED), (End.NAN, Verdict.NAN)]
)
def test_a_final_end_is_a_verdict_and_a_void_one_is_not(kind: End, verdict: Verdict) -> None:
    assert skipped(play(claim(names(1, (1,))), [ended(kind)])[1]) == (Why.VERDICT, verdict)
    requests, _ = play(claim(names(1, (1,), (1,))), [ended(kind), Won.THEIRS])
    assert requests[1] == Put("my/claim", claim_of(2))


def test_a_cancelled_number_that_nobody_claimed_is_read_and_respected() -> None:
    requests, result = play(claim(names(0, (1,))), [ended(End.CANCELLED)])
    assert requests == [Read(end_of(1))]
    assert skipped(result) == (Why.VERDICT, Verdict.CANCELLED)


def test_a_cancelled_number_that_is_void_is_claimed_and_not_run_so_that_claims_have_no_gap() -> None:
    first, _ = play(claim(names(0, (1,), (1,)), End.CANCELLED), [Won.MINE, ended(End.CANCELLED)])
    assert first == [Put("my/claim", claim_of(1)), Read(end_of(1))]
    listing = ("job.0001", "job.0001.end", "job.0002", "job.0002.end", "job.0002.void")
    _, result = play(claim(names(1, (1, 2), (2,)), End.FAILED, End.CANCELLED), [Won.MINE, listing])
    assert result == Skipped(JOB, Why.STOPPED, 2, None, result.ends)


def test_the_budget_is_the_jobs_own() -> None:
    spent = replace(SECOND, job=Job("exp", "job", Policy(max_attempts=1)))
    assert skipped(play(spent, [])[1]) == (Why.VERDICT, Verdict.SPENT)


def test_a_job_that_backs_off_is_not_claimed_and_the_question_has_the_whole_history() -> None:
    asked: list[History] = []

    def may_run(history: History) -> bool:
        asked.append(history)
        return False

    waiting = replace(claim(names(2, (1, 2), (1,)), End.FAILED), may_run=may_run)
    requests, result = play(waiting, [ended(End.OOM)])
    assert requests == [Read(end_of(2))]
    assert skipped(result) == (Why.BACKOFF, None)
    assert asked == [History(2, {1: End.FAILED, 2: End.OOM}, frozenset({1}))]


# --- a later attempt ------------------------------------------------------------------------------------------------


def test_a_later_attempt_lists_its_shard_again_before_it_runs() -> None:
    requests, result = play(SECOND, [Won.MINE, ("job.0001", "job.0001.end", "job.0002", "other.0002.end")])
    assert requests == [Put("my/claim", claim_of(2)), List(SHARD)]
    assert result == Claimed(JOB, 2, resume_above=0)


def test_a_later_attempt_that_was_ended_before_it_began_is_not_run() -> None:
    _, result = play(SECOND, [Won.MINE, ("job.0001", "job.0001.end", "job.0002", "job.0002.end")])
    assert (result.why, result.attempt) == (Why.STOPPED, 2)


@pytest.mark.parametrize("given_back", [Won.MINE, Won.THEIRS, Won.UNKNOWN, Won.GONE])
def test_without_the_second_listing_the_attempt_is_given_back(given_back: Won) -> None:
    requests, result = play(SECOND, [Won.MINE, FAILED_TO_ASK, given_back])
    assert requests[2] == Put("my/released", end_of(2))
    assert (result.why, result.attempt) == (Why.STOPPED, 2)


FIFTH = claim(names(4, (1, 2, 3, 4)), *[End.EVICTED] * 4)


@pytest.mark.parametrize(
    ("voids", "replies", "read", "resume_above"),
    [
        ((), [], [], 0),
        ((3,), [encode_void(fresh=True)], [3], 3),
        ((3,), [encode_void(fresh=False)], [3], 0),
        ((1, 3), [encode_void(fresh=False), encode_void(fresh=True)], [3, 1], 1),
        ((1, 2, 4), [encode_void(fresh=False), encode_void(fresh=True)], [4, 2], 2),
        ((2, 4), [encode_void(fresh=True)], [4], 4),
        ((2, 3), [ABSENT], [3], 3),
        ((2, 3), [FAILED_TO_ASK], [3], 3),
        ((2, 3), [b"{"], [3], 3),
        ((2, 3), [encode_void(fresh=False), ABSENT], [3, 2], 2),
    ],
)
def test_nothing_below_the_newest_fresh_void_is_resumed_and_an_unreadable_one_counts_as_fresh(
    voids: tuple[int, ...], replies: list[Reply], read: list[int], resume_above: int
) -> None:
    listing = tuple(f"job.{number:04d}.void" for number in voids)
    requests, result = play(FIFTH, [Won.MINE, listing, *replies])
    assert requests[2:] == [Read(void_of(number)) for number in read]
    assert result == Claimed(JOB, 5, resume_above)


def test_a_void_that_only_the_first_listing_showed_bounds_too() -> None:
    seen = replace(FIFTH, names=names(4, (1, 2, 3, 4), (3,)))
    _, result = play(seen, [Won.MINE, (), encode_void(fresh=True)])
    assert result == Claimed(JOB, 5, resume_above=3)


def test_what_is_unknown_is_asked_again_with_the_same_ticket() -> None:
    _, unknown = play(SECOND, [Won.UNKNOWN])
    requests, result = play(ask_again(SECOND, unknown.attempt), [Won.UNKNOWN])
    assert requests == [Put("my/claim", claim_of(2))]
    assert (result.why, result.attempt) == (Why.UNKNOWN, 2)
    requests, result = play(ask_again(SECOND, 2), [Won.MINE, ("job.0001.void",), encode_void(fresh=True)])
    assert requests == [Put("my/claim", claim_of(2)), List(SHARD), Read(void_of(1))]
    assert result == Claimed(JOB, 2, resume_above=1)
    requests, result = play(ask_again(FIRST, 1), [Won.MINE, ("job.0001", "job.0001.end")])
    assert requests[1:] == [List(SHARD)]
    assert (result.why, result.attempt) == (Why.STOPPED, 1)
    _, result = play(ask_again(SECOND, 2), [Won.THEIRS])
    assert (result.why, result.attempt) == (Why.LOST, 2)


# --- publish --------------------------------------------------------------------------------------------------------

END_2 = end_of(2)
MARKER = layout.done_marker("exp", "job", 2)
LINK = layout.result_link("exp", "job")
DONE = Publish("exp", "job", 2, "my/temp", folder="0002-me", is_done=True)
DONE_REQUESTS: list[Request] = [
    Put("my/temp", END_2),
    Sync(SHARD),
    Point(LINK, "0002-me"),
    List(SHARD),
    Put("my/temp", MARKER),
    Unlink("my/temp"),
]


def test_a_done_end_is_put_synced_shown_and_only_then_marked() -> None:
    requests, result = play(DONE, [Won.MINE, None, None, ("job.0002.end",), Won.MINE, None])
    assert requests == DONE_REQUESTS
    assert result is Published.ACCEPTED


def test_another_end_is_put_and_synced_and_nothing_else() -> None:
    failed = Publish("exp", "job", 2, "my/temp")
    requests, result = play(failed, [Won.MINE, None, None])
    assert requests == [Put("my/temp", END_2), Sync(SHARD), Unlink("my/temp")]
    assert result is Published.ACCEPTED


def test_a_ready_made_ticket_is_kept() -> None:
    requests, result = play(Publish("exp", "job", 2, "my/released", keep=True), [Won.MINE, None])
    assert requests == [Put("my/released", END_2), Sync(SHARD)]
    assert result is Published.ACCEPTED


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Won.THEIRS, Published.SUPERSEDED),
        (Won.UNKNOWN, Published.UNKNOWN),
        (FAILED_TO_ASK, Published.UNKNOWN),
        (Won.GONE, Published.GONE),
    ],
)
def test_an_end_that_is_not_accepted_touches_nothing_else(reply: Reply, outcome: Published) -> None:
    requests, result = play(DONE, [reply])
    assert requests == DONE_REQUESTS[:1]
    assert result is outcome


def test_an_end_that_is_not_on_disk_is_neither_shown_nor_marked_and_may_be_put_again() -> None:
    requests, result = play(DONE, [Won.MINE, FAILED_TO_ASK])
    assert requests == DONE_REQUESTS[:2]
    assert result is Published.UNKNOWN
    requests, result = play(DONE, [Won.MINE, None, None, (), Won.MINE, None])
    assert requests == DONE_REQUESTS
    assert result is Published.ACCEPTED


def test_a_link_or_marker_that_cannot_be_made_does_not_undo_a_result() -> None:
    replies: list[Reply] = [Won.MINE, None, FAILED_TO_ASK, FAILED_TO_ASK, Won.UNKNOWN, FAILED_TO_ASK]
    requests, result = play(DONE, replies)
    assert requests == DONE_REQUESTS
    assert result is Published.ACCEPTED


def test_a_first_result_without_a_folder_needs_no_link() -> None:
    bare = Publish("exp", "job", 1, "my/temp", is_done=True)
    requests, _ = play(bare, [Won.MINE, None, Won.MINE, None])
    marker = layout.done_marker("exp", "job", 1)
    assert requests == [Put("my/temp", end_of(1)), Sync(SHARD), Put("my/temp", marker), Unlink("my/temp")]


def test_a_later_result_without_a_folder_removes_the_link_to_an_older_one() -> None:
    requests, _ = play(replace(DONE, folder=None), [Won.MINE, None, None, (), Won.MINE, None])
    assert requests[2] == Point(LINK, None)


def test_the_link_shows_the_newest_done_attempt_even_if_that_was_there_first() -> None:
    listing = ("job.0002.end", "job.0002.void", "job.0003.end", "job.0004.end", "job.0004.void", "job.0005.end")
    third = ended(End.DONE, folder="exp/jobs/job/0003-other")
    replies: list[Reply] = [
        Won.MINE,
        None,
        None,
        listing,
        ended(End.FAILED),
        ended(End.EVICTED),
        third,
        None,
        (),
        Won.MINE,
        None,
    ]
    requests, result = play(DONE, replies)
    assert requests[4:8] == [Read(end_of(5)), Read(end_of(4)), Read(end_of(3)), Point(LINK, "0003-other")]
    assert requests[9] == Put("my/temp", MARKER)
    assert result is Published.ACCEPTED


def test_the_link_is_set_again_until_nothing_newer_is_done() -> None:
    newer = [ended(End.DONE, folder=f"exp/jobs/job/{number:04d}-other") for number in (3, 4)]
    replies: list[Reply] = [
        Won.MINE,
        None,
        None,
        ("job.0003.end",),
        newer[0],
        None,
        ("job.0003.end", "job.0004.end"),
        newer[1],
    ]
    requests, _ = play(DONE, [*replies, None, ("job.0004.end",), Won.MINE, None])
    shown = [request.target for request in requests if isinstance(request, Point)]
    assert shown == ["0002-me", "0003-other", "0004-other"]


@pytest.mark.parametrize("reply", UNREADABLE)
def test_a_newer_end_that_cannot_be_read_leaves_the_link_as_it_is(reply: Reply) -> None:
    replies: list[Reply] = [Won.MINE, None, None, ("job.0003.end",), reply, Won.MINE, None]
    requests, result = play(DONE, replies)
    assert [request for request in requests if isinstance(request, Point)] == [Point(LINK, "0002-me")]
    assert result is Published.ACCEPTED


def test_a_missing_marker_is_added_after_the_link_from_the_end_itself() -> None:
    requests, _ = play(AddMarker("exp", "job", 2, "0002-me"), [None, Won.THEIRS])
    assert requests == [Point(LINK, "0002-me"), Put(END_2, MARKER)]


@pytest.mark.parametrize(
    ("folder", "name"), [("exp/jobs/job/0002-me", "0002-me"), (None, None), (7, None), ("0002-me", "0002-me")]
)
def test_the_folder_of_a_result_by_its_own_name(folder: object, name: str | None) -> None:
    assert folder_name(EndRecord(End.DONE, {"folder": folder})) == name
