"""When a worker has seen enough failures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.records import End
from orchestrator.breaker import EXPERIMENT_ENDS, HOST_ENDS, Breaker, signature

NEUTRAL = st.sampled_from([End.PREEMPTED, End.RELEASED])


def test_three_first_ends_that_failed_alike_stop_an_experiment_and_no_other() -> None:
    breaker = Breaker()
    for number in range(EXPERIMENT_ENDS - 1):
        assert breaker.ended("bad", f"job-{number}", End.FAILED, "no such file") is None
    assert breaker.ended("good", "job-0", End.FAILED, "no such file") is None
    tripped = breaker.ended("bad", "job-9", End.FAILED, "no such file")
    assert tripped is not None
    assert (tripped.experiment, tripped.error) == ("bad", "no such file")
    assert not breaker.is_host_broken


@pytest.mark.parametrize("kind", [End.DONE, End.NAN])
def test_one_that_ends_otherwise_is_enough_to_go_on(kind: End) -> None:
    breaker = Breaker()
    breaker.ended("exp", "job-0", End.FAILED, "no such file")
    breaker.ended("exp", "job-1", kind, "")
    assert [breaker.ended("exp", f"job-{n}", End.FAILED, "no such file") for n in range(2, 9)] == 7 * [None]


@given(st.lists(NEUTRAL, max_size=4))
def test_interruptions_tell_nothing_either_way(between: list[End]) -> None:
    breaker = Breaker()
    for number in range(EXPERIMENT_ENDS - 1):
        breaker.ended("exp", f"job-{number}", End.FAILED, "no such file")
        for kind in between:
            assert breaker.ended("exp", "other", kind, "told to stop") is None
    assert breaker.ended("exp", "last", End.FAILED, "no such file") is not None


@given(st.integers(min_value=0, max_value=HOST_ENDS - 1))
def test_a_host_is_given_up_after_so_many_failures_in_a_row_whatever_they_say(before: int) -> None:
    breaker = Breaker()
    for number in range(before):
        breaker.ended("exp", f"job-{number}", End.FAILED, "abc"[number % 3])
    breaker.ended("exp", "sound", End.DONE, "")
    for number in range(HOST_ENDS - 1):
        assert breaker.ended("exp", f"job-{number}", End.OOM, "abc"[number % 3]) is None
    tripped = breaker.ended("exp", "one", End.FAILED, "too many")
    assert tripped is not None
    assert "10 attempts in a row failed here, the last with: too many" in str(tripped)
    assert breaker.is_host_broken


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError in ce-s0-1a2b3c4d", "KeyError in focal-s1-99887766"),
        ("bad value 3.25 at line 17", "bad value 4.5 at line 9"),
        ("<Model object at 0x7f01ab>", "<Model object at 0x7fffcd>"),
    ],
)
def test_errors_are_alike_but_for_what_belongs_to_the_job(one: str, other: str) -> None:
    assert signature(one, "ce-s0-1a2b3c4d") == signature(other, "focal-s1-99887766")
    assert signature(one, "x") != signature("another error", "x")
