from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainers.calibration.golden import formula_logits
from trainers.calibration.posthoc import METHODS, Calibrator, fit, load
from trainers.errors import DataError

LOGITS, TARGETS = formula_logits()
COUNTS = [500, 300, 200, 120, 100, 50, 30, 20, 19, 5]


def fitted(name: str) -> Calibrator:
    return fit(name, LOGITS[:500], TARGETS[:500], class_counts=COUNTS)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_loaded_predicts_the_same_bits(name: str, tmp_path: Path) -> None:
    calibrator = fitted(name)
    calibrator.save(tmp_path / "c.json")
    found = load(tmp_path / "c.json")
    assert found.probs(LOGITS).tobytes() == calibrator.probs(LOGITS).tobytes()
    assert (found.name, found.num_classes, found.options) == (name, 10, calibrator.options)
    assert found.facts == calibrator.facts
    assert set(found.parameters) == set(calibrator.parameters)
    for key, value in calibrator.parameters.items():
        assert np.asarray(found.parameters[key]).dtype == np.asarray(value).dtype
        assert np.asarray(found.parameters[key]).tobytes() == np.asarray(value).tobytes()
    found.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "c.json").read_bytes()


def test_a_save_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    fitted("temperature").save(path)
    before = path.read_bytes()
    broken = Calibrator("temperature", 10, {"temperature": float("nan")}, {}, {})
    with pytest.raises(ValueError, match="JSON"):
        broken.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["c.json"]


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("trapped"),)


@pytest.mark.parametrize("wrap", ["pickle", "npy", "npz", "json"])
def test_a_pickle_is_refused_and_not_run(wrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.json"
    payload = np.array([Trap()], dtype=object)
    if wrap == "pickle":
        path.write_bytes(pickle.dumps(Trap()))
    elif wrap == "json":
        path.write_text(json.dumps(pickle.dumps(Trap(), protocol=0).decode()))
    else:
        with path.open("wb") as file:
            np.save(file, payload, allow_pickle=True) if wrap == "npy" else np.savez(file, parameters=payload)
    with pytest.raises(DataError, match="is not a calibrator"):
        load(path)
    assert not (tmp_path / "trapped").exists()


def test_no_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json is not a calibrator"):
        load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("vector", {"schema": 2}, "schema 1"),
        ("vector", {"calibrator": "../vector"}, "none of temperature, vector"),
        ("vector", {"calibrator": ["vector"]}, "none of temperature, vector"),
        ("vector", {"num_classes": 1}, "num_classes is 1"),
        ("vector", {"num_classes": 9}, "does not fit"),
        ("vector", {"options": None}, "options"),
        ("vector", {"parameters": {"weight": [1.0] * 10}}, "parameters are not weight, bias"),
        ("vector", {"weight": [1.0] * 9}, "does not fit"),
        ("vector", {"weight": [[1.0]] * 10}, "weight has shape"),
        ("vector", {"weight": ["1"] * 10}, "not made of numbers"),
        ("vector", {"weight": [None] * 10}, "not made of numbers"),
        ("vector", {"weight": [True] * 10}, "not made of numbers"),
        ("vector", {"weight": [[1.0], 2.0]}, "is not a calibrator"),
        ("vector", {"weight": [1e400] * 10}, "holds Infinity"),
        ("temperature", {"temperature": 0.0}, "not above 0"),
        ("temperature", {"temperature": -1.0}, "not above 0"),
        ("group_temperature", {"group": [0] * 9 + [3]}, "in no group"),
        ("group_temperature", {"group": [0.5] * 10}, "not made of integers"),
        ("group_temperature", {"temperatures": [1.0, 1.0, 0.0]}, "not above 0"),
        ("histogram", {"values": [[0.5]] * 10}, "one edge more"),
        ("histogram", {"values": [[2.0] * 15] * 10}, "no probability"),
        ("histogram", {"edges": [[1.0] * 15 + [0.0]] * 10}, "edges fall"),
        ("isotonic", {"starts": [0] * 11}, "cut the knots"),
        ("isotonic", {"knots": [0.5] * 7, "values": [0.5] * 7, "starts": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 7]}, "cut the"),
        ("isotonic", {"knots": [0.5] * 11, "values": [0.5] * 11, "starts": [*range(10), 11]}, "do not rise"),
        ("isotonic", {"knots": [0.5] * 10, "values": [0.5] * 9 + [-1], "starts": [*range(11)]}, "no probability"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused(
    name: str, change: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.json"
    fitted(name).save(path)
    document = json.loads(path.read_text())
    for key, value in change.items():
        (document["parameters"] if key in document["parameters"] else document)[key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=complaint):
        load(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"schema": 1}', "\x00"])
def test_what_is_no_such_document_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(DataError, match="is not a calibrator"):
        load(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("logits", "complaint"),
    [
        (np.zeros((3, 9)), "logits has 9 classes; the calibrator was fitted on 10"),
        (np.zeros((0, 10)), "empty"),
        (np.full((2, 10), np.nan), "NaN or infinity"),
        (np.zeros(10), r"shape \(N, C\)"),
    ],
)
def test_logits_that_do_not_fit_are_refused(logits: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        fitted("temperature").probs(logits)
