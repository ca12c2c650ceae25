"""What a failed attempt leaves."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainers.small_disk import grow, small_disk
from tests.trainers.waits import at_first_wait
from trainers.errors import DataError, DeviceMemoryError, FolderAwayError, NonFiniteError, Preempted
from trainers.failure import write_failure

CASES: list[tuple[BaseException, dict[str, Any]]] = [
    (NonFiniteError("loss", 3, 17), {"kind": "nan", "epoch": 3, "step": 17}),
    (
        torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"),
        {"kind": "oom", "error": "OutOfMemoryError: CUDA out of memory."},
    ),
    (MemoryError(), {"kind": "oom", "error": "MemoryError"}),
    (
        DeviceMemoryError("at epoch 2, step 1", 3 * 2**30, 4 * 2**30, 2, 1),
        {"kind": "oom", "epoch": 2, "step": 1, "peak_memory_bytes": 3 * 2**30},
    ),
    (DataError("a/b.png is broken"), {"kind": "failed", "error": "a/b.png is broken"}),
    (RuntimeError("first\nsecond"), {"kind": "failed", "error": "RuntimeError: first"}),
    (Preempted(), {"kind": "preempted", "error": "asked to stop"}),
]


@pytest.mark.parametrize(("error", "expected"), CASES, ids=lambda case: type(case).__name__)
def test_the_record_says_what_kind_and_one_line(tmp_path: Path, error: BaseException, expected: dict[str, Any]) -> None:
    write_failure(tmp_path, error)
    record = json.loads((tmp_path / "failure.json").read_text())
    assert set(record) == {"kind", "error", "step", "epoch", "peak_memory_bytes", "errno", "filename"}
    assert record | {"errno": None, "filename": None, **expected} == record
    assert [path.name for path in tmp_path.iterdir()] == ["failure.json"]


def test_the_first_rank_to_fail_is_the_one_that_is_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_failure(tmp_path, DataError("the cause"))
    write_failure(tmp_path, RuntimeError("connection closed by peer"))
    assert json.loads((tmp_path / "failure.json").read_text())["error"] == "the cause"
    assert capsys.readouterr().err == ""


def test_a_folder_that_cannot_be_written_is_only_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_failure(tmp_path / "gone", DataError("x"))
    assert "could not be written" in capsys.readouterr().err


def test_the_record_tells_a_folders_fault_from_the_jobs(tmp_path: Path) -> None:
    problem = OSError(errno.ENOSPC, "No space left on device", "/runs/checkpoint.pt")
    away = FolderAwayError("metrics.csv", problem, 3600)
    stopped = Preempted(str(away))
    stopped.__cause__ = away
    for name, error in {"own": problem, "away": away, "stopped": stopped}.items():
        (tmp_path / name).mkdir()
        write_failure(tmp_path / name, error)
        record = json.loads((tmp_path / name / "failure.json").read_text())
        assert (record["errno"], record["filename"]) == (errno.ENOSPC, "/runs/checkpoint.pt")
        assert record["kind"] == ("preempted" if name == "stopped" else "failed")
        assert "No space left on device" in record["error"]


def test_a_full_disk_that_has_room_again_takes_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "nr_inodes=2") as disk:
        (disk / "checkpoint.pt").touch()
        with at_first_wait(lambda: grow(disk)):
            write_failure(disk, DataError("x"))
        assert json.loads((disk / "failure.json").read_text())["error"] == "x"
