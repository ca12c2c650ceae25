"""The jobs of a trial: planned the same way each time, and checked against their seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.snapshot import planned
from orchestrator.faults.workload import EXPERIMENT, Workload, read_diary, wrong_results
from orchestrator.worker import Options, Worker


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCH_FAULTS_DIARY", str(tmp_path / "diary.txt"))
    return tmp_path / "root"


def work_off(root: Path) -> None:
    assert Worker(root, [], 2, Options(say=lambda _: None)).run() == 0


def workload(programs: float = 0.1, resuming: float = 0.1) -> Workload:
    return Workload(5, largest_bytes=2000, longest_seconds=0.0, programs=programs, resuming=resuming)


def test_planning_the_same_jobs_again_plans_nothing_new(root: Path) -> None:
    workload().plan(root, 20)
    workload().plan(root, 20)
    assert len(list(planned(root, EXPERIMENT))) == 20
    more = workload()
    more.plan(root, 10)
    more.plan(root, 20)
    assert len(list(planned(root, EXPERIMENT))) == 30


def test_what_functions_and_programs_leave_is_what_their_seeds_give(root: Path) -> None:
    workload(programs=0.5, resuming=0.5).plan(root, 12)
    work_off(root)
    assert list(wrong_results(root)) == []
    diary = read_diary(root.parent / "diary.txt")
    again = sum(spec.cell["params.steps"] == 2 for spec in planned(root, EXPERIMENT))
    assert 0 < again < 12
    assert (diary.executions, diary.shared) == (12 + again, ())


def test_a_result_that_was_changed_is_found_whatever_its_record_says(root: Path) -> None:
    workload(programs=0.0, resuming=0.0).plan(root, 3)
    work_off(root)
    forged, lost, _ = sorted(root.glob(f"{EXPERIMENT}/jobs/*/result"))
    (forged / "weights.bin").write_bytes(b"?")
    (lost / "weights.bin").unlink()
    assert sorted(wrong_results(root)) == [
        f"{forged.parent.name}: weights.bin is not what its seed gives",
        f"{lost.parent.name}: weights.bin is not there",
    ]


def test_an_attempt_that_ran_twice_is_found_in_the_diary(tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    lines = ["a 0001-aa ran 1 0.1", "a 0002-bb ran 2 0.2", "a 0002-cc ran 3 0.3", "b 0001-aa EIO 1 0.4"]
    diary.write_text("".join(f"{line}\n" for line in lines))
    seen = read_diary(diary)
    assert seen.executions == 3
    assert seen.shared == ("a attempt 2: ['0002-bb', '0002-cc']",)
    assert seen.refused == {"EIO": 1}
