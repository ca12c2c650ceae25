"""`orch plan` and `orch init` as functions: what they add, and what they say of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.errors import InputError
from jobs.snapshot import planned
from orchestrator.planning import plan_grid, render_cells, render_plan, write_starter

GRID = "name: calls\nkind: call\ntarget: operator:abs\nparams.a: [1, 2, 3]\n"


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "calls.yaml"
    path.write_text(GRID, encoding="utf-8")
    return path


def test_planning_twice_plans_nothing_new(tmp_path: Path, grid: Path) -> None:
    root = tmp_path / "root"
    assert render_plan(plan_grid(root, grid)) == "planned calls: 3 new, 0 unchanged"
    assert render_plan(plan_grid(root, grid)) == "planned calls: 0 new, 3 unchanged"
    assert len(list((root / "calls" / "plan").iterdir())) == 1


def test_only_what_is_new_is_added_and_what_a_grid_no_longer_names_stays(tmp_path: Path, grid: Path) -> None:
    root = tmp_path / "root"
    plan_grid(root, grid)
    grid.write_text(GRID.replace("[1, 2, 3]", "[3, 4]"), encoding="utf-8")
    change = plan_grid(root, grid).change
    assert (change.new, change.unchanged, change.orphaned) == (1, 1, 2)
    assert "2 planned before are not in this grid" in render_plan(plan_grid(root, grid))
    assert [spec.cell["params.a"] for spec in planned(root, "calls")] == [1, 2, 3, 4]


def test_what_is_outside_the_identity_is_updated(tmp_path: Path, grid: Path) -> None:
    root = tmp_path / "root"
    before = plan_grid(root, grid, dry_run=True).cells
    plan_grid(root, grid)
    grid.write_text(GRID + "priority: 5\nmax_attempts: 1\n", encoding="utf-8")
    assert "3 updated" in render_plan(plan_grid(root, grid))
    specs = list(planned(root, "calls"))
    assert [spec.id for spec in specs] == [spec.id for spec in before]
    assert {(spec.priority, spec.max_attempts) for spec in specs} == {(5, 1)}


def test_a_dry_run_lists_the_cells_and_writes_nothing(tmp_path: Path, grid: Path) -> None:
    root = tmp_path / "root"
    seen = plan_grid(root, grid, ["params.a=7,8"], dry_run=True)
    assert render_plan(seen) == "would plan calls: 2 new, 0 unchanged"
    assert [line.split("  ")[1] for line in render_cells(seen)] == ["params.a=7", "params.a=8"]
    assert not root.exists()


def test_a_grid_that_is_not_there_names_init(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="orch init"):
        plan_grid(tmp_path / "root", tmp_path / "grid.yaml")


def test_a_wrong_last_cell_leaves_nothing_half_written(tmp_path: Path, grid: Path) -> None:
    root = tmp_path / "root"
    text = "name: wrong\nloss: [ce, focal]\nseed: [0, 1]\nexclude: [{loss: bsce}]\n"
    grid.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"calls\.yaml:4"):
        plan_grid(root, grid)
    assert not any(path.is_file() for path in root.rglob("*"))


def test_the_starter_can_be_planned_and_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    write_starter(path)
    assert plan_grid(tmp_path / "root", path).change.new > 0
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is there already"):
        write_starter(path)
    assert path.read_text(encoding="utf-8") == "mine"
