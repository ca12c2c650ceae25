"""The onlooker itself: it says nothing of a sound folder, and something of one that loses or mixes up jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import layout
from jobs.records import End
from orchestrator.faults.workload import EXPERIMENT
from tests.jobs.registers import Root
from tests.orchestrator.waiting import wait_until
from tests.soak.status_loop import StatusLoop


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path, EXPERIMENT)
    root.plan("a-1", "b-2")
    for job in ("a-1", "b-2"):
        root.attempts(job, root.session(), End.DONE)
    return root


def look_twice(loop: StatusLoop) -> None:
    seen = loop.counts["answered"]
    wait_until(lambda: loop.counts["answered"] >= seen + 2, "it has looked again")


def test_a_sound_folder_is_told_to_be_one(root: Root) -> None:
    loop = StatusLoop()
    loop.begin([root.path])
    look_twice(loop)
    root.void("a-1", 1)
    look_twice(loop)
    root.attempts("a-1", root.session(), End.DONE, after=1)
    loop.end()
    loop.end()
    assert loop.broken == []
    assert loop.counts["answered"] >= 5


def test_a_result_that_vanishes_and_jobs_that_are_left_are_noticed(root: Root) -> None:
    loop = StatusLoop()
    loop.begin([root.path])
    look_twice(loop)
    for path in (root.path / layout.log_shard(EXPERIMENT, "a-1")).glob("a-1.*"):
        path.unlink()
    look_twice(loop)
    loop.end()
    assert any("2 were done, 0 asked for again" in what for what in loop.broken)
    assert "at the end 2 jobs are planned" in loop.broken[-1]


def test_a_folder_may_be_out_of_order_only_where_it_is_under_attack(
    root: Root, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("other") / "elsewhere"
    elsewhere.symlink_to(elsewhere)
    loop = StatusLoop()
    loop.begin([root.path, elsewhere])
    wait_until(lambda: any("refused" in what for what in loop.counts), "it was refused")
    loop.end()
    assert loop.broken == []
    loop = StatusLoop()
    loop.begin([elsewhere])
    wait_until(lambda: loop.broken, "it says so")
    loop.end()
    assert "exit code 3: error: " in loop.broken[0]
