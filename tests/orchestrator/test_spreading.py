"""Shares of the jobs that come next: workers that see each other never meet, and nothing is left standing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spreading import MOST_OF_OTHERS, Crew, take_turns

JOBS = [f"lr0-{number}-seed{number % 3}" for number in range(1200)]


def crews(count: int) -> list[Crew]:
    sids = [f"{number:016x}" for number in range(count)]
    return [Crew(sid, [other for other in sids if other != sid]) for sid in sids]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 64])
def test_every_job_is_one_workers_own_and_the_shares_are_alike(count: int) -> None:
    shares = [crew.share(JOBS).jobs for crew in crews(count)]
    assert sorted(job for share in shares for job in share) == sorted(JOBS)
    assert all(len(JOBS) / count / 3 < len(share) < 3 * len(JOBS) / count for share in shares)


def test_ones_own_share_is_shuffled_and_differently_by_each() -> None:
    alone = [Crew(f"{number:016x}", []).share(JOBS).jobs for number in range(2)]
    assert all(sorted(jobs) == sorted(JOBS) and jobs != JOBS for jobs in alone)
    assert alone[0][:5] != alone[1][:5]


def test_who_has_nothing_left_begins_with_what_its_owner_comes_to_last() -> None:
    first, second = crews(2)
    own = second.share(JOBS).jobs
    share = first.share(own)
    assert not share.is_own
    assert share.jobs == own[: -MOST_OF_OTHERS - 1 : -1]


def test_workers_that_have_nothing_left_do_not_want_the_same() -> None:
    *rest, last = crews(4)
    own = last.share(JOBS).jobs
    wanted = [set(crew.share(own).jobs) for crew in rest]
    assert len(set.union(*wanted)) == 3 * MOST_OF_OTHERS


@given(st.integers(0, 40), st.integers(1, 9))
def test_some_worker_wants_whatever_is_left(count: int, workers: int) -> None:
    left = JOBS[:count]
    assert all(bool(crew.share(left).jobs) == bool(left) for crew in crews(workers))


def test_queues_take_turns() -> None:
    assert list(take_turns(["abc", "", "xy"])) == ["a", "x", "b", "y", "c"]
