from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.report.artefacts import as_float, as_history, read_bins, read_epochs, read_scored, read_table


def write_predictions(folder: Path, **arrays: Any) -> None:
    file = io.BytesIO()
    np.savez(file, **arrays)
    (folder / "predictions.npz").write_bytes(file.getvalue())


def test_epochs_are_those_of_the_last_stage(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("stage,epoch,lr\none,1,.1\none,2,.1\ntwo,1,\n")
    assert read_epochs(tmp_path) == [{"stage": "two", "epoch": "1", "lr": ""}]
    assert as_history(read_epochs(tmp_path)) == [{"stage": None, "epoch": 1.0, "lr": None}]


@pytest.mark.parametrize("cell", ["", "nan", "inf", "-inf", "word", "1e999"])
def test_what_is_no_finite_number_is_none(cell: str) -> None:
    assert as_float(cell) is None


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b'a,b\n"', b"a,b\n1\n1,2,3\n", b"\x00" * 100])
def test_a_file_of_another_kind_is_no_table_with_epochs(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(data)
    assert all("epoch" not in row for row in read_epochs(tmp_path))
    (tmp_path / "val_bin_stats.csv").write_bytes(data)
    assert read_bins(tmp_path, "x") is None
    (tmp_path / "predictions.npz").write_bytes(data)
    assert read_scored(tmp_path, "x", None) is None


def test_nothing_is_read_where_nothing_is(tmp_path: Path) -> None:
    assert read_table(tmp_path / "none.csv") == []
    assert read_scored(tmp_path, "x", None) is None


def test_predictions_that_cannot_be_scored_are_passed_over(tmp_path: Path) -> None:
    write_predictions(tmp_path, test_logits=np.eye(3), test_targets=np.arange(3))
    scored = read_scored(tmp_path, "x", 2.0)
    assert scored is not None
    assert scored.temperature == 2.0
    write_predictions(tmp_path, test_logits=np.eye(3) * np.nan, test_targets=np.arange(3))
    assert read_scored(tmp_path, "x", None) is None
    write_predictions(tmp_path, other=np.eye(3))
    assert read_scored(tmp_path, "x", None) is None
    write_predictions(tmp_path, test_logits=np.array([object()]), test_targets=np.arange(1))
    assert read_scored(tmp_path, "x", None) is None
