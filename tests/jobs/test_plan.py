from __future__ import annotations

import json
import multiprocessing
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from jobs import layout
from jobs.errors import HostUnfitError, InputError
from jobs.plan import PlanChange, PlanIndex, add_to_plan, compute_change, experiments, plan_numbers, read_plan_index
from jobs.spec import JobSpec, plan_line
from jobs.store import FolderStore
from tests.jobs.registers import EXPERIMENT, Root, spec

IDS = ("a-1", "b-2", "c-3")


def add(root: Path, *jobs: str | JobSpec, dry_run: bool = False) -> PlanChange:
    specs = [job if isinstance(job, JobSpec) else spec(job) for job in jobs]
    return add_to_plan(root, EXPERIMENT, lambda: iter(specs), dry_run=dry_run)


def read(root: Path) -> PlanIndex:
    index = PlanIndex()
    read_plan_index(FolderStore(root), EXPERIMENT, index)
    return index


def test_what_is_new_is_added_in_the_order_of_the_grid(tmp_path: Path) -> None:
    assert add(tmp_path, *IDS) == PlanChange(new=3, updated=0, unchanged=0, orphaned=0)
    index = read(tmp_path)
    assert index.order == list(IDS)
    assert [index.spec(job) for job in IDS] == [spec(job) for job in IDS]


def test_the_shards_of_what_is_planned_are_there_before_the_first_job_runs(tmp_path: Path) -> None:
    add(tmp_path, *IDS)
    add(tmp_path, "d-4")
    for kind in (layout.LOG, layout.DONE):
        shards = {path.name for path in (tmp_path / EXPERIMENT / kind).iterdir()}
        assert shards == {layout.shard(job) for job in (*IDS, "d-4")}


def test_planning_twice_plans_nothing_new_and_writes_nothing(tmp_path: Path) -> None:
    add(tmp_path, *IDS)
    before = Root(tmp_path).tree()
    assert add(tmp_path, *reversed(IDS)) == PlanChange(new=0, updated=0, unchanged=3, orphaned=0)
    after = Root(tmp_path).tree()
    tmp = str(tmp_path / layout.TMP)
    assert {path for path in after if path != tmp} == {path for path in before if path != tmp}
    assert plan_numbers(FolderStore(tmp_path), EXPERIMENT) == [1]


def test_what_a_grid_no_longer_names_stays_and_is_counted(tmp_path: Path) -> None:
    add(tmp_path, *IDS)
    assert add(tmp_path, "a-1", "d-4") == PlanChange(new=1, updated=0, unchanged=1, orphaned=2)
    assert read(tmp_path).order == [*IDS, "d-4"]


def test_a_changed_policy_is_an_update_and_the_newest_wins(tmp_path: Path) -> None:
    add(tmp_path, *IDS)
    for priority in (5, 9):
        changed = replace(spec("b-2"), priority=priority, max_attempts=7, notes="again")
        assert add(tmp_path, "a-1", changed, "c-3") == PlanChange(new=0, updated=1, unchanged=2, orphaned=0)
        assert add(tmp_path, changed) == PlanChange(new=0, updated=0, unchanged=1, orphaned=2)
    index = read(tmp_path)
    assert index.order == list(IDS)
    assert (index.spec("b-2").priority, index.spec("b-2").max_attempts) == (9, 7)
    assert [len(path.read_text().splitlines()) for path in sorted((tmp_path / EXPERIMENT / "plan").iterdir())] == [
        3,
        1,
        1,
    ]
    add(tmp_path, "b-2")
    assert read(tmp_path).spec("b-2") == spec("b-2")


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    add(tmp_path, *IDS)
    before = Root(tmp_path).tree()
    jobs = ("a-1", replace(spec("b-2"), priority=1), "d-4")
    assert add(tmp_path, *jobs, dry_run=True) == PlanChange(new=1, updated=1, unchanged=1, orphaned=1)
    assert Root(tmp_path).tree() == before
    empty = tmp_path / "not" / "there"
    assert add(empty, *IDS, dry_run=True) == PlanChange(new=3, updated=0, unchanged=0, orphaned=0)
    assert not empty.parent.exists()


def test_a_plan_leaves_no_private_file_behind(tmp_path: Path) -> None:
    add(tmp_path, *IDS)
    add(tmp_path, *IDS)
    assert list((tmp_path / layout.TMP).iterdir()) == []


def test_a_grid_that_fails_half_way_plans_nothing(tmp_path: Path) -> None:
    def jobs() -> Iterator[JobSpec]:
        yield spec("a-1")
        raise KeyError("b-2")

    with pytest.raises(KeyError):
        add_to_plan(tmp_path, EXPERIMENT, jobs, dry_run=False)
    assert read(tmp_path).order == []
    assert list((tmp_path / layout.TMP).iterdir()) == []


@pytest.mark.parametrize(
    "text", ["\u00e9\u4e2d", "line\nbreak", "a\u2028b\u0085c\x0bd\x1ee", "tab\there", '"quoted\\"']
)
def test_any_text_survives_the_plan(tmp_path: Path, text: str) -> None:
    """Line breaks that only Unicode knows too: a plan has one line a job."""
    odd = JobSpec("odd-1", "call", {"target": "m:f", "params": {text: text}}, {"params.x": text}, notes=text)
    add(tmp_path, odd, "b-2")
    index = read(tmp_path)
    assert index.order == ["odd-1", "b-2"]
    assert index.spec("odd-1") == odd
    assert add(tmp_path, odd, "b-2").unchanged == 2


def test_a_gap_in_a_listing_stops_the_reading_until_it_is_closed(tmp_path: Path) -> None:
    for job in IDS:
        add(tmp_path, job)
    second = tmp_path / layout.plan_file(EXPERIMENT, 2)
    hidden = tmp_path / "hidden"
    second.rename(hidden)
    index = PlanIndex()
    assert read_plan_index(FolderStore(tmp_path), EXPERIMENT, index)
    assert (index.order, index.files) == (["a-1"], 1)
    assert not read_plan_index(FolderStore(tmp_path), EXPERIMENT, index)
    hidden.rename(second)
    assert read_plan_index(FolderStore(tmp_path), EXPERIMENT, index)
    assert (index.order, index.files) == (list(IDS), 3)
    assert not read_plan_index(FolderStore(tmp_path), EXPERIMENT, index)


def test_strangers_among_the_plan_files_are_left_alone(tmp_path: Path) -> None:
    add(tmp_path, *IDS)
    for name in ("000002.jsonl~", "notes.txt", "x.jsonl", ".000003.jsonl.swp"):
        (tmp_path / EXPERIMENT / "plan" / name).write_text("not a plan line\n")
    assert plan_numbers(FolderStore(tmp_path), EXPERIMENT) == [1]
    assert read(tmp_path).order == list(IDS)


def test_a_plan_file_that_is_none_stops_the_reading_and_says_where(tmp_path: Path) -> None:
    add(tmp_path, "a-1")
    second = tmp_path / layout.plan_file(EXPERIMENT, 2)
    for text, problem in (
        ("garbage\n", "line 1 is no line of a plan"),
        ('b-2\t{"content":1}\n', "line 1 is no line of a plan"),
        (plan_line(spec("b-2")) + "\nx\n", "line 2 is no line of a plan"),
        (plan_line(spec("b-2")), "line 1 is no line of a plan"),
        (plan_line(spec("b-2")) + '\nc-3\t{"schema":2}\n', "a plan of schema 2, and this orch reads 1"),
        (plan_line(spec("b-2")).replace('"m:f"', '"\u00e9"') + "\n", "line 1 is no line of a plan"),
    ):
        second.write_text(text, encoding="utf-8")
        index = read(tmp_path)
        assert index.problem == f"{EXPERIMENT}/plan/000002.jsonl: {problem}"
        assert (index.order, index.files) == (["a-1"], 1)
        assert not read_plan_index(FolderStore(tmp_path), EXPERIMENT, index)
        with pytest.raises(InputError, match=re.escape(problem)):
            add(tmp_path, "d-4")
    second.unlink()
    assert read_plan_index(FolderStore(tmp_path), EXPERIMENT, index)
    assert not index.problem
    add(tmp_path, "d-4")
    assert read(tmp_path).order == ["a-1", "d-4"]


def test_a_parameter_may_be_called_schema(tmp_path: Path) -> None:
    odd = JobSpec("odd-1", "call", {"target": "m:f", "params": {"schema": 3}}, {"params.schema": 3})
    add(tmp_path, odd)
    assert read(tmp_path).spec("odd-1") == odd


def test_strangers_in_the_plan_folder_are_named(tmp_path: Path) -> None:
    add(tmp_path, "a-1")
    for name in ("notes.txt", "7.jsonl", "000000.jsonl"):
        (tmp_path / EXPERIMENT / "plan" / name).write_text("")
    assert sorted(read(tmp_path).strangers) == ["000000.jsonl", "7.jsonl", "notes.txt"]


def test_the_verdict_on_each_job() -> None:
    index = PlanIndex()
    index.add("".join(f"{line}\n" for _, line in compute_change(PlanIndex(), map(spec, IDS))).encode())
    changed = replace(spec("b-2"), timeout_seconds=3.0)
    verdicts = [verdict for verdict, _ in compute_change(index, iter([spec("a-1"), changed, spec("d-4")]))]
    assert verdicts == ["unchanged", "updated", "new"]


def test_experiments_are_the_folders_with_a_plan(tmp_path: Path) -> None:
    assert experiments(tmp_path / "nothing") == []
    add_to_plan(tmp_path, "b", lambda: iter([spec("a-1")]), dry_run=False)
    add_to_plan(tmp_path, "a", lambda: iter([spec("a-1")]), dry_run=False)
    (tmp_path / "README.md").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "-odd" / "plan").mkdir(parents=True)
    (tmp_path / "file" / "sub").mkdir(parents=True)
    (tmp_path / "file" / "plan").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert experiments(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("below", ["", "sub"])
def test_a_root_that_cannot_be_written_is_unfit(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostUnfitError, match="--root"):
        add(tmp_path / "file" / below, *IDS)
    with pytest.raises(HostUnfitError, match="--root"):
        add(Path("/sys/orch-test") / below, *IDS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_root_without_permission_is_unfit(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HostUnfitError, match=r"ermission denied; .*--root"):
        add(tmp_path, *IDS)


# --- planners that meet ---------------------------------------------------------------------------------------------

GRIDS, JOBS, PLANNERS = 12, 20, 2


_together: threading.Barrier | None = None


def start_together(barrier: threading.Barrier) -> None:
    global _together
    _together = barrier


def plan_many(root: Path, planner: int) -> int:
    """Plan many small grids, each with jobs of its own and some that every planner has; how many were new."""
    assert _together is not None
    new = 0
    for grid in range(GRIDS):
        jobs = [spec(f"p{planner}-g{grid}-{number}") for number in range(JOBS)]
        jobs += [spec(f"shared-g{grid}-{number}") for number in range(JOBS)]
        _together.wait()  # so that they want the same number every time
        new += add_to_plan(root, EXPERIMENT, jobs.__iter__, dry_run=False).new
    return new


def test_two_processes_that_plan_at_once_lose_nothing_and_add_nothing_twice(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PLANNERS)
    with ProcessPoolExecutor(PLANNERS, context, start_together, (barrier,)) as pool:
        new = sum(pool.map(plan_many, [tmp_path] * PLANNERS, range(PLANNERS)))
    expected = {f"p{planner}-g{grid}-{n}" for planner in range(PLANNERS) for grid in range(GRIDS) for n in range(JOBS)}
    expected |= {f"shared-g{grid}-{number}" for grid in range(GRIDS) for number in range(JOBS)}
    index = read(tmp_path)
    assert set(index.order) == expected
    assert len(index.order) == len(expected) == new
    lines = [
        line.partition("\t")[0]
        for number in range(1, index.files + 1)
        for line in (tmp_path / layout.plan_file(EXPERIMENT, number)).read_text().splitlines()
    ]
    assert len(lines) == len(set(lines))
    assert plan_numbers(FolderStore(tmp_path), EXPERIMENT) == list(range(1, index.files + 1))
    assert json.loads(index.lines["p0-g0-0"].partition("\t")[2])["kind"] == "call"
