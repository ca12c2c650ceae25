from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from jobs.errors import InputError
from jobs.snapshot import JobState, State
from orchestrator.report import load
from orchestrator.report.loading import choose_experiment, describe
from tests.orchestrator.report.roots import call_spec, finish, plan_jobs

RESULT = {"metrics": {"test_acc": 0.5, "test_ece": None}, "epoch": 3, "select": "last", "seconds": 9.5, "device": "cpu"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    specs = [call_spec(f"job-{seed}", loss="ce", seed=seed) for seed in range(3)]
    plan_jobs(tmp_path, "digits", specs)
    finish(tmp_path, "digits", "job-2", RESULT | {"note": "resumed"})
    finish(tmp_path, "digits", "job-0", RESULT)
    return tmp_path


def test_a_row_for_each_done_job_in_the_order_of_the_plan(root: Path) -> None:
    frame = load("digits", root)
    assert list(frame["job"]) == ["job-0", "job-2"]
    assert list(frame.columns) == [
        *("job", "attempt", "loss", "seed", "test_acc", "test_ece"),
        *("device", "seconds", "epoch", "select", "note"),
    ]
    assert frame["test_acc"].tolist() == [0.5, 0.5]
    assert frame["seconds"].sum() == 19.0


def test_a_metric_that_does_not_apply_is_nan_and_numeric(root: Path) -> None:
    frame = load("digits", root)
    assert frame["test_ece"].dtype == float
    assert frame["test_ece"].isna().all()
    assert pd.isna(frame.groupby("loss")["test_ece"].mean()["ce"])


def test_the_only_experiment_of_the_root_of_the_environment_needs_no_name(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_ROOT", str(root))
    assert len(load()) == 2
    monkeypatch.delenv("ORCH_ROOT")
    monkeypatch.chdir(root)
    root.joinpath("runs").symlink_to(root)
    assert len(load("digits")) == 2


def test_it_can_be_called_again_through_the_package(root: Path) -> None:
    """No module of that name may take the place of the function once it is imported."""
    code = "import sys, orchestrator.report as report; [report.load('digits', sys.argv[1]) for _ in range(2)]"
    subprocess.run([sys.executable, "-c", code, str(root)], check=True)


def test_an_experiment_without_a_done_job_is_an_empty_frame(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "x", [call_spec("job-0", seed=0)])
    frame = load("x", tmp_path)
    assert frame.empty
    assert "job" in frame.columns


def test_several_experiments_ask_for_a_name(root: Path) -> None:
    plan_jobs(root, "other", [call_spec("job-0", seed=0)])
    with pytest.raises(InputError, match="name one of digits, other"):
        load(root=root)


@pytest.mark.parametrize("wanted", ["digit", "../digits", ""])
def test_an_unknown_experiment_is_answered_with_the_nearest(wanted: str) -> None:
    with pytest.raises(InputError, match=r"no experiment .*; use .*digits"):
        choose_experiment(["cifar", "digits"], wanted, Path("runs"))


def test_an_empty_root_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="orch plan"):
        load(root=tmp_path / "none")


def test_a_state_is_one_line_with_its_reason() -> None:
    assert describe(JobState("a", State.RUNNING)) == "running"
    assert describe(JobState("a", State.FAILED, reason="Traceback\nboom")) == "failed: Traceback boom"
    assert len(describe(JobState("a", State.FAILED, reason="x" * 5000))) < 250


def test_importing_the_package_imports_no_heavy_library() -> None:
    code = "import sys, orchestrator.report; print({'pandas', 'matplotlib', 'jinja2', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
