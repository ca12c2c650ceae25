from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainers.calibration.golden import formula_logits
from trainers.calibration.posthoc import METHODS, load
from trainers.calibration.posthoc.__main__ import main
from trainers.outputs import Run, write_outputs

LOGITS, TARGETS = formula_logits()


def finished_run(folder: Path, **changes: Any) -> Path:
    values = {
        "history": [{"epoch": 1}],
        "reported": 0,
        "test_logits": LOGITS[500:],
        "test_targets": TARGETS[500:],
        "val_logits": LOGITS[:500],
        "val_targets": TARGETS[:500],
        "class_counts": [500, 300, 200, 120, 100, 50, 30, 20, 19, 5],
        "class_names": list("abcdefghij"),
    }
    write_outputs(folder, Run(**{**values, **changes}))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("run"))


def test_a_table_shows_the_test_split_before_and_after(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "test         accuracy     NLL     ECE  adaptive ECE  classwise ECE   Brier",
        "before         0.3220  1.7270  0.1295        0.1354         0.0421  0.7983",
        "temperature    0.3220  1.6318  0.0557        0.0844         0.0287  0.7690",
    ]
    assert lines[-1] == f"written: {folder / 'calibrator-temperature.json'}"


@pytest.mark.parametrize("method", METHODS)
def test_the_calibrator_lies_beside_the_run(method: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--method", method]) == 0
    assert "nan" not in capsys.readouterr().out
    calibrator = load(folder / f"calibrator-{method}.json")
    assert calibrator.name == method
    assert calibrator.probs(LOGITS).shape == (1000, 10)


def test_options_are_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--method", "histogram", "--set", "n_bins=5", "--set", "bins=equal_mass"]) == 0
    assert load(folder / "calibrator-histogram.json").options == {"n_bins": 5, "bins": "equal_mass"}
    capsys.readouterr()


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_a_run_without_a_validation_split_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_run(tmp_path, val_logits=None, val_targets=None)
    assert main([str(tmp_path)]) == 2
    assert "has no validation split" in one_line(capsys)
    assert not list(tmp_path.glob("calibrator*"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--method", "vectr"], "did you mean 'vector'?"),
        (["--method", "matrix", "--set", "lam=-1"], "matrix.lam is -1"),
        (["--set", "n_bins"], "--set n_bins is no pair"),
    ],
)
def test_a_wrong_argument_is_one_line(
    arguments: list[str], complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), *arguments]) == 2
    assert complaint in one_line(capsys)


def test_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "name the folder of a finished run" in one_line(capsys)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY\x01\x00\x05\x00{{{{\n", b"\x80\x04K\x01."])
def test_a_broken_file_is_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "predictions.npz").write_bytes(content)
    assert main([str(tmp_path)]) == 2
    assert "cannot be read" in one_line(capsys)


def test_an_array_that_is_no_archive_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "predictions.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert main([str(tmp_path)]) == 2
    assert "cannot be read" in one_line(capsys)


def test_a_pickle_in_the_predictions_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "predictions.npz", test_logits=np.array([{}], dtype=object))
    assert main([str(tmp_path)]) == 2
    assert "cannot be read" in one_line(capsys)


def test_a_run_that_tells_no_class_counts_has_no_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_run(tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    del result["class_counts"]
    (tmp_path / "result.json").write_text(json.dumps(result))
    assert main([str(tmp_path), "--method", "group_temperature"]) == 2
    assert "needs class_counts" in one_line(capsys)
