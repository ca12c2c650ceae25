"""Losses that learn from the validation split, within whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainers.attempts import attempt, document, pieces, result, rows
from trainers.errors import SpecError

pytestmark = pytest.mark.usefixtures("tiny")

VAL = {"per_class": 10}


@pytest.mark.parametrize(
    ("loss", "table"),
    [
        ({"name": "adafocal"}, "val_bin_stats.csv"),
        ({"name": "fcl_meta_lambda", "meta_every": 2}, ""),
        ({"name": "fcl_meta_lambda", "meta_every": 3, "meta_params": "all"}, ""),
    ],
    ids=["adafocal", "fcl_head", "fcl_all"],
)
def test_what_it_has_learned_survives_being_stopped(tmp_path: Path, loss: dict[str, Any], table: str) -> None:
    spec = document({"epochs": 3, "batch_size": 20}, loss=loss, val=VAL, eval_every=3)
    attempt(tmp_path / "whole", spec)
    (tmp_path / "pieces").mkdir()
    last = pieces(tmp_path / "pieces", spec, stops=7)
    assert result(last)["weights_sha256"] == result(tmp_path / "whole")["weights_sha256"]
    for name in filter(None, ["metrics.csv", table]):
        assert rows(last / name) == rows(tmp_path / "whole" / name)


def test_adafocals_gammas_move_after_every_epoch_whatever_is_evaluated(tmp_path: Path) -> None:
    attempt(tmp_path, document({"epochs": 3}, loss={"name": "adafocal"}, val=VAL, eval_every=3))
    table = rows(tmp_path / "val_bin_stats.csv")
    assert [row["epoch"] for row in table] == ["1"] * 15 + ["2"] * 15 + ["3"] * 15
    after = [row["gamma_after"] for row in table]
    assert after[:15] != ["5.0"] * 15
    assert [row["gamma_before"] for row in table][15:] == after[:30]


def test_the_lambda_of_every_epoch_is_in_its_row(tmp_path: Path) -> None:
    spec = document({"epochs": 3}, loss={"name": "fcl_meta_lambda", "meta_every": 1}, val=VAL)
    attempt(tmp_path, spec)
    lambdas = [float(row["lambda_if_any"]) for row in rows(tmp_path / "metrics.csv")]
    assert len(set(lambdas)) == 3
    assert all(0 < value < 10 for value in lambdas)
    assert all(0 <= float(row["val_smooth_ece_if_any"]) <= 1 for row in rows(tmp_path / "metrics.csv"))


def test_temperatures_come_as_often_as_asked_and_with_what_is_reported(tmp_path: Path) -> None:
    attempt(tmp_path, document({"epochs": 5}, val=VAL, ts_every=2))
    assert [bool(row["temperature"]) for row in rows(tmp_path / "metrics.csv")] == [False, True, False, True, True]
    assert [bool(row["test_ece_ts"]) for row in rows(tmp_path / "metrics.csv")] == [False, True, False, True, True]
    train = {"epochs": 4, "lr": 1e-4, "schedule": "multistep", "milestones": [1], "decay": 1e4}
    attempt(tmp_path / "best", document(train, val=VAL, ts_every=4, select="best_val"))
    assert result(tmp_path / "best")["epoch"] < 4
    assert result(tmp_path / "best")["temperature"] > 0


@pytest.mark.parametrize("name", ["adafocal", "fcl_meta_lambda"])
def test_without_a_validation_split_they_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match=f"loss {name} learns from a validation split; say `val:"):
        attempt(tmp_path, document(loss={"name": name}))
