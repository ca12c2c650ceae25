from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs import layout
from jobs.claims import Names, Policy
from jobs.records import End, EndRecord
from jobs.spec import plan_line
from jobs.store import FolderStore, List, Reply, Request
from jobs.view import SETTLE_SECONDS, ExperimentView, policy_of
from tests.jobs.clock import Clock
from tests.jobs.registers import EXPERIMENT, Root, spec


class Asked(FolderStore):
    """A folder that remembers which listings it was asked for."""

    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__(root, clock)
        self.listed: list[str] = []

    def answer(self, request: Request) -> Reply:
        if isinstance(request, List):
            self.listed.append(request.folder)
        return super().answer(request)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path)
    root.plan("a-1", "b-2", "c-3")
    return root


@pytest.fixture
def view(root: Root, clock: Clock) -> ExperimentView:
    return ExperimentView(Asked(root.path, clock), EXPERIMENT, clock)


def names(view: ExperimentView, job: str) -> tuple[list[int], list[int], list[int]]:
    seen = view.names[job]
    return sorted(seen.claims), sorted(seen.ends), sorted(seen.voids)


def test_planned_jobs_are_there_before_anything_was_claimed(view: ExperimentView) -> None:
    assert view.refresh()
    assert view.plan.order == ["a-1", "b-2", "c-3"]
    assert view.names == {}
    assert not view.refresh()


def test_a_view_follows_claims_ends_and_voids(root: Root, view: ExperimentView) -> None:
    view.refresh()
    who = root.session()
    root.claim("a-1", 1, who)
    assert view.refresh()
    assert names(view, "a-1") == ([1], [], [])
    root.end("a-1", 1, End.FAILED)
    root.void("a-1", 1)
    root.claim("b-2", 1, who)
    assert view.refresh()
    assert names(view, "a-1") == ([1], [1], [1])
    assert names(view, "b-2") == ([1], [], [])
    assert not view.refresh()


def test_a_job_that_is_planned_later_is_seen(root: Root, view: ExperimentView) -> None:
    view.refresh()
    root.plan("d-4")
    assert view.refresh()
    assert view.plan.order == ["a-1", "b-2", "c-3", "d-4"]


def test_strangers_in_the_folders_are_left_alone(root: Root, view: ExperimentView) -> None:
    root.claim("a-1", 1, root.session())
    for name in ("README", f"{layout.shard('a-1')}/notes.txt", f"{layout.shard('a-1')}/a-1.0002.tmp"):
        root.write(f"{EXPERIMENT}/log/{name}", b"")
    root.write(f"{EXPERIMENT}/done/{layout.shard('a-1')}/README", b"")
    view.refresh()
    assert names(view, "a-1") == ([1], [], [])
    assert set(view.names) == {"a-1"}


def test_a_listing_is_trusted_only_once_its_folder_has_stood_still(
    root: Root, view: ExperimentView, clock: Clock
) -> None:
    root.claim("a-1", 1, root.session())
    shard = layout.log_shard(EXPERIMENT, "a-1")
    asked = view.store
    assert isinstance(asked, Asked)
    for seconds, expected in ((0.0, 1), (SETTLE_SECONDS - 0.1, 2), (0.1, 3), (60.0, 3), (60.0, 3)):
        clock.now += seconds
        view.refresh()
        assert asked.listed.count(shard) == expected


def test_two_links_within_one_tick_of_the_servers_clock_are_both_seen(
    root: Root, view: ExperimentView, clock: Clock
) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    shard = root.path / layout.log_shard(EXPERIMENT, "a-1")
    before = shard.stat()
    view.refresh()
    clock.now += SETTLE_SECONDS - 0.1
    root.end("a-1", 1, End.EVICTED)
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert view.refresh()
    assert names(view, "a-1") == ([1], [1], [])


def test_a_change_after_a_trusted_listing_is_seen(root: Root, view: ExperimentView, clock: Clock) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    for _ in range(3):
        view.refresh()
        clock.now += SETTLE_SECONDS
    root.end("a-1", 1, End.DONE)
    assert view.refresh()
    assert names(view, "a-1") == ([1], [1], [])


def test_a_marker_counts_for_the_top_attempt_and_while_it_is_not_void(root: Root, view: ExperimentView) -> None:
    who = root.session()
    root.attempts("a-1", who, End.FAILED, End.DONE)
    root.mark("a-1", 2)
    view.refresh()
    assert view.has_marker("a-1")
    assert not view.has_marker("b-2")
    root.void("a-1", 2, fresh=True)
    view.refresh()
    assert not view.has_marker("a-1")
    root.claim("a-1", 3, who)
    view.refresh()
    assert not view.has_marker("a-1")
    root.end("a-1", 3, End.DONE)
    root.mark("a-1", 3)
    view.refresh()
    assert view.has_marker("a-1")


def test_a_marker_below_a_newer_claim_says_nothing(root: Root, view: ExperimentView) -> None:
    """The void that let the newer attempt be claimed may show late."""
    who = root.session()
    root.attempts("a-1", who, End.DONE)
    root.mark("a-1", 1)
    root.claim("a-1", 2, who)
    view.refresh()
    assert not view.has_marker("a-1")


def test_what_a_worker_knows_of_its_own_doing_is_merged(root: Root, view: ExperimentView) -> None:
    view.refresh()
    view.note("a-1", Names(claims=frozenset({1})))
    record = EndRecord(End.RELEASED, {})
    view.keep_end("a-1", 1, record)
    view.note("a-1", Names(ends=frozenset({1})))
    assert names(view, "a-1") == ([1], [1], [])
    assert view.ends["a-1"] == {1: record}
    root.claim("a-1", 1, root.session())
    assert not view.refresh()


def test_a_shard_that_cannot_be_listed_is_listed_another_time(root: Root, view: ExperimentView) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    shard = root.path / layout.log_shard(EXPERIMENT, "a-1")
    away = root.path / "away"
    shard.rename(away)
    shard.write_bytes(b"")
    view.refresh()
    assert view.names == {}
    shard.unlink()
    away.rename(shard)
    assert view.refresh()
    assert names(view, "a-1") == ([1], [], [])


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, (Policy(3), 0, None)),
        ({"max_attempts": 1}, (Policy(1), 0, None)),
        ({"priority": -2, "gpus": 0}, (Policy(3), -2, 0)),
        ({"notes": "x"}, (Policy(3), 0, None)),
    ],
)
def test_the_policy_of_a_plan_line(policy: dict[str, object], expected: tuple[Policy, int, int | None]) -> None:
    assert policy_of(plan_line(spec("a-1", **policy))) == expected
