from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import layout
from jobs.claims import (
    MAX_EVICTED,
    MAX_INTERRUPTED,
    NOTHING,
    History,
    Names,
    Policy,
    Verdict,
    backoff_seconds,
    final_verdict,
    group_names,
    is_left_over,
    is_spent,
    next_attempt,
)
from jobs.records import End

DONE, FAILED, OOM, NAN = End.DONE, End.FAILED, End.OOM, End.NAN
PREEMPTED, RELEASED, CANCELLED, EVICTED = End.PREEMPTED, End.RELEASED, End.CANCELLED, End.EVICTED
ATTEMPT_ENDS = [kind for kind in End if kind is not End.CLOSED]
INTERRUPTED = tuple(itertools.islice(itertools.cycle([PREEMPTED, RELEASED]), MAX_INTERRUPTED))


def past(*kinds: End, claimed: int | None = None, voids: tuple[int, ...] = ()) -> History:
    """Attempts 1, 2, ... ended so; all of them claimed, unless `claimed` says how many were."""
    ends = dict(enumerate(kinds, 1))
    return History(len(kinds) if claimed is None else claimed, ends, frozenset(voids))


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (past(), 1),
        (past(claimed=1), Verdict.UNSEEN),
        (past(FAILED), 2),
        (History(2, {2: FAILED}), Verdict.UNSEEN),
        (History(3, {1: FAILED, 3: DONE}), Verdict.UNSEEN),
        (past(DONE), Verdict.DONE),
        (past(DONE, voids=(1,)), 2),
        (past(CANCELLED), Verdict.CANCELLED),
        (past(CANCELLED, voids=(1,)), 2),
        # Cancelled above the top claim: while that counts nothing is claimed; once void, the number is claimed.
        (past(CANCELLED, claimed=0), Verdict.CANCELLED),
        (past(CANCELLED, claimed=0, voids=(1,)), 1),
        (past(CANCELLED, CANCELLED, claimed=0, voids=(1,)), Verdict.CANCELLED),
        (past(CANCELLED, CANCELLED, claimed=0, voids=(1, 2)), 1),
        (past(FAILED, EVICTED, CANCELLED, claimed=2), Verdict.CANCELLED),
        (past(FAILED, EVICTED, CANCELLED, claimed=2, voids=(3,)), 3),
        (past(DONE, EVICTED, voids=(1,)), 3),
        (past(DONE, DONE, voids=(1,)), Verdict.DONE),
        (past(DONE, CANCELLED, claimed=1), Verdict.CANCELLED),
        (past(NAN), Verdict.NAN),
        (past(NAN, voids=(1,)), 2),
        (past(NAN, NAN, voids=(1,)), Verdict.NAN),
        (past(FAILED, OOM), 3),
        (past(FAILED, OOM, FAILED), Verdict.SPENT),
        (past(FAILED, OOM, FAILED, voids=(3,)), 4),
        (past(FAILED, OOM, FAILED, voids=(2,)), 4),
        (past(FAILED, OOM, FAILED, FAILED, FAILED, voids=(2,)), Verdict.SPENT),
        (past(*[EVICTED] * 4), 5),
        (past(*[EVICTED] * 5), Verdict.SPENT),
        (past(*INTERRUPTED[1:]), MAX_INTERRUPTED),
        (past(*INTERRUPTED), Verdict.SPENT),
        # The three budgets are separate.
        (past(FAILED, OOM, *[EVICTED] * 4, *INTERRUPTED[1:]), 106),
    ],
)
def test_what_may_be_claimed_next(history: History, expected: int | Verdict) -> None:
    assert next_attempt(history, Policy()) == expected


@pytest.mark.parametrize(("attempts", "expected"), [(1, Verdict.SPENT), (2, 2)])
def test_the_budget_of_failures_is_the_jobs_own(attempts: int, expected: int | Verdict) -> None:
    assert next_attempt(past(FAILED), Policy(max_attempts=attempts)) == expected


@st.composite
def histories(draw: st.DrawFn, *, is_read: bool = False) -> History:
    """What a worker may have read: any ends up to one above the top claim, any voids."""
    top = draw(st.integers(0, 9))
    numbers = range(1, top + 2)
    ends = {number: draw(st.sampled_from(ATTEMPT_ENDS)) for number in numbers if draw(st.booleans()) or is_read}
    if is_read and draw(st.booleans()):
        ends.pop(top + 1)
    return History(top, ends, draw(st.frozensets(st.integers(1, top + 1))))


POLICIES = st.builds(Policy, st.integers(1, 6))


@given(histories(), POLICIES)
def test_an_attempt_follows_the_top_claim_and_only_ends_that_were_read(history: History, policy: Policy) -> None:
    decision = next_attempt(history, policy)
    is_read = all(number in history.ends for number in range(1, history.top_claim + 1))
    assert is_read or decision is Verdict.UNSEEN
    assert isinstance(decision, Verdict) or decision == history.top_claim + 1


@given(histories(is_read=True), POLICIES)
def test_nothing_is_claimed_above_a_final_end_that_counts(history: History, policy: Policy) -> None:
    top = max(history.ends, default=0)
    decision = next_attempt(history, policy)
    for kind, verdict in ((DONE, Verdict.DONE), (CANCELLED, Verdict.CANCELLED), (NAN, Verdict.NAN)):
        if history.ends.get(top) is kind and top not in history.voids:
            assert decision is verdict


@given(histories(is_read=True), POLICIES, st.data())
def test_ends_at_or_below_the_newest_void_never_count(history: History, policy: Policy, data: st.DataObject) -> None:
    newest, top = max(history.voids, default=0), max(history.ends, default=0)
    # A top end that is final counts until its own void shows: a listing may show a later void first.
    changing = [number for number in history.ends if number <= newest and (number != top or top in history.voids)]
    other = {**history.ends, **{number: data.draw(st.sampled_from(ATTEMPT_ENDS)) for number in changing}}
    assert next_attempt(replace(history, ends=other), policy) == next_attempt(history, policy)


@given(histories(is_read=True), POLICIES)
def test_no_budget_is_exceeded_and_none_is_withheld(history: History, policy: Policy) -> None:
    newest = max(history.voids, default=0)
    counted = [kind for number, kind in history.ends.items() if number > newest]
    failures = counted.count(FAILED) + counted.count(OOM)
    is_over = failures >= policy.max_attempts or counted.count(EVICTED) >= MAX_EVICTED
    decision = next_attempt(history, policy)
    if isinstance(decision, int):
        assert not is_over
    elif decision is Verdict.SPENT:
        assert is_over


@given(histories(is_read=True), POLICIES)
def test_a_requeue_of_the_newest_end_makes_any_job_claimable(history: History, policy: Policy) -> None:
    newest = max(history.ends, default=0)
    requeued = replace(history, voids=history.voids | {newest})
    assert next_attempt(requeued, policy) == history.top_claim + 1
    assert backoff_seconds(requeued) == 0


@given(histories(is_read=True), st.integers(1, 5))
def test_a_larger_budget_never_rules_out_what_a_smaller_one_allows(history: History, attempts: int) -> None:
    if isinstance(decision := next_attempt(history, Policy(attempts)), int):
        assert next_attempt(history, Policy(attempts + 1)) == decision


@given(histories(), POLICIES)
def test_a_verdict_is_final_exactly_where_no_attempt_follows(history: History, policy: Policy) -> None:
    decision = next_attempt(history, policy)
    if decision is not Verdict.UNSEEN:
        assert final_verdict(history, policy) is (None if isinstance(decision, int) else decision)


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ([], False),
        ([FAILED, FAILED], False),
        ([FAILED, OOM, FAILED], True),
        ([EVICTED] * 4, False),
        ([EVICTED] * 5, True),
        (list(INTERRUPTED[1:]), False),
        (list(INTERRUPTED), True),
        ([DONE, NAN, CANCELLED] * 50, False),
    ],
)
def test_the_bounds_are_three_failures_five_evictions_a_hundred_interruptions(
    counted: list[End],
    expected: bool,
) -> None:
    assert is_spent(counted, Policy()) is expected


@pytest.mark.parametrize(
    ("history", "seconds"),
    [
        (past(), 0),
        (past(FAILED), 30),
        (past(OOM), 30),
        (past(FAILED, OOM), 60),
        (past(FAILED, FAILED, FAILED), 120),
        (past(*[FAILED] * 4), 240),
        (past(*[FAILED] * 5), 480),
        (past(*[FAILED] * 6), 600),
        (past(*[FAILED] * 60), 600),
        (past(*[FAILED] * 2000), 600),
        (past(FAILED, EVICTED), 0),
        (past(FAILED, PREEMPTED), 0),
        (past(FAILED, RELEASED), 0),
        (past(FAILED, EVICTED, FAILED), 60),
        (past(FAILED, FAILED, voids=(2,)), 0),
        (past(FAILED, FAILED, FAILED, voids=(2,)), 30),
        # A listing may show the void of a cancelled number before that end itself.
        (past(FAILED, voids=(2,)), 0),
    ],
)
def test_how_long_to_wait_after_the_newest_end(history: History, seconds: float) -> None:
    assert backoff_seconds(history) == seconds


@given(histories())
def test_a_wait_is_nothing_or_from_half_a_minute_to_ten(history: History) -> None:
    seconds = backoff_seconds(history)
    assert seconds == 0 or 30 <= seconds <= 600
    if history.ends.get(max(history.ends, default=0)) not in {FAILED, OOM}:
        assert seconds == 0


@pytest.mark.parametrize(("kind", "is_left"), [(k, k in {EVICTED, RELEASED, PREEMPTED}) for k in ATTEMPT_ENDS])
def test_what_an_interrupted_attempt_left_goes_first(kind: End, is_left: bool) -> None:
    assert is_left_over(past(FAILED, kind)) is is_left
    assert not is_left_over(past())


def test_a_listing_is_grouped_by_job() -> None:
    listing = ["a-1.0001", "a-1.0001.end", "a-1.0002", "b.0001", "b.0001.void", "b.0003.end", "stranger", "a-1.0002~"]
    assert group_names(map(layout.parse_register, listing)) == {
        "a-1": Names(frozenset({1, 2}), frozenset({1})),
        "b": Names(frozenset({1}), frozenset({3}), frozenset({1})),
    }


def test_the_top_is_the_largest_claim_or_end() -> None:
    assert (NOTHING.top_claim, NOTHING.top) == (0, 0)
    cancelled_before_its_claim = Names(frozenset({1}), frozenset({1, 2}))
    assert (cancelled_before_its_claim.top_claim, cancelled_before_its_claim.top) == (1, 2)
    assert Names(frozenset({1, 2}), frozenset({1})).top == 2


NAMES = st.builds(Names, *[st.frozensets(st.integers(1, 9))] * 3)


@given(NAMES, NAMES)
def test_listings_only_add_up(one: Names, two: Names) -> None:
    both = one.merged(two)
    assert both == two.merged(one) == both.merged(one)
    assert both.merged(NOTHING) == both
    assert both.top == max(one.top, two.top)
