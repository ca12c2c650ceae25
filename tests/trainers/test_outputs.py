from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from tests.trainers.calibration.golden import formula_logits
from trainers.calibration.metrics import ece
from trainers.catalogue import METRIC_COLUMNS
from trainers.metrics.classes import evaluate_classes
from trainers.metrics.evaluate import evaluate
from trainers.outputs import Run, as_json, class_results, write_metrics_csv, write_outputs

LOGITS, TARGETS = formula_logits()
COUNTS = [int(5000 * 0.01 ** (k / 9)) for k in range(10)]
NAMES = ["plane", "car, red", 'the "bird"', "cat", "deer", "dog", "frog", "horse", "ship", "猫"]


def a_run(**changes: Any) -> Run:
    scores = evaluate(LOGITS[500:], TARGETS[500:], COUNTS, 1.5)
    row = {"stage": "main", "model": "resnet20", "method": "ce", "lr": 0.1, "train_loss": 2.5, **scores}
    run = Run(
        history=[{**row, "epoch": epoch, "temperature": 1.5} for epoch in (1, 2, 3)],
        reported=1,
        test_logits=LOGITS[500:].astype(np.float32),
        test_targets=TARGETS[500:],
        val_logits=LOGITS[:500].astype(np.float32),
        val_targets=TARGETS[:500],
        class_counts=COUNTS,
        class_names=NAMES,
        temperature=1.5,
        title="digits",
        extra={"select": "best_val", "samples_seen": np.int64(37200), "seconds": 1.25},
    )
    return dataclasses.replace(run, **changes)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_run_leaves_its_seven_files_and_nothing_else(tmp_path: Path) -> None:
    write_outputs(tmp_path, a_run())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "class_counts.csv",
        "curves.png",
        "metrics.csv",
        "per_class.csv",
        "predictions.npz",
        "reliability.png",
        "result.json",
    ]


def test_the_result_is_the_reported_epoch_with_what_the_trainer_adds(tmp_path: Path) -> None:
    write_outputs(tmp_path, a_run())
    result = strict((tmp_path / "result.json").read_text())
    metrics = result.pop("metrics")
    assert len(result.pop("recalls")) == 10
    assert list(result.pop("groups")) == ["shots", "shots_le20", "mislas", "thirds"]
    assert result == {
        "schema": 1,
        "epoch": 2,
        "temperature": 1.5,
        "class_counts": COUNTS,
        "recall_floor": 1e-3,
        "select": "best_val",
        "samples_seen": 37200,
        "seconds": 1.25,
    }
    assert [*metrics] == [name for name in METRIC_COLUMNS if name not in ("stage", "model", "method")]
    assert metrics["test_acc"] == 0.322
    assert metrics["val_acc"] is None
    assert metrics["test_acc_few"] is None


def test_the_result_tells_of_each_class_and_of_the_groups_that_there_are(tmp_path: Path) -> None:
    kept = TARGETS[500:] != 9
    logits, targets = LOGITS[500:][kept], TARGETS[500:][kept]
    write_outputs(tmp_path, a_run(test_logits=logits, test_targets=targets))
    result = strict((tmp_path / "result.json").read_text())
    right = logits.argmax(axis=1) == targets
    recalls = [right[targets == label].mean() for label in range(9)]
    assert result["recalls"][:9] == pytest.approx(recalls)
    assert result["recalls"][9] is None
    assert list(result["groups"]["shots"]) == ["many", "medium"]
    few = result["groups"]["mislas"]["few"]
    assert few["classes"] == [7, 8, 9]
    assert few["accuracy"] == pytest.approx(np.mean(recalls[7:]))
    inside = np.isin(targets, [7, 8])
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert few["ece"] == pytest.approx(ece(probs[inside], targets[inside]))


def test_a_group_whose_classes_have_no_test_sample_has_no_numbers(tmp_path: Path) -> None:
    kept = TARGETS[500:] < 7
    write_outputs(tmp_path, a_run(test_logits=LOGITS[500:][kept], test_targets=TARGETS[500:][kept]))
    result = strict((tmp_path / "result.json").read_text())
    assert result["groups"]["mislas"]["few"] == {"classes": [7, 8, 9], "accuracy": None, "ece": None}


def test_each_class_stands_in_a_line_of_its_own_with_the_groups_that_it_is_in(tmp_path: Path) -> None:
    write_outputs(tmp_path, a_run())
    rows = rows_of(tmp_path / "per_class.csv")
    assert list(rows[0]) == [
        *("class", "name", "train", "test", "recall", "precision", "f1"),
        *("shots", "shots_le20", "mislas", "thirds"),
    ]
    predicted, targets = LOGITS[500:].argmax(axis=1), TARGETS[500:]
    measured = precision_recall_fscore_support(targets, predicted, labels=np.arange(10))
    for row, precision, recall, f1, support in zip(rows, *measured, strict=True):
        assert [float(row[name]) for name in ("precision", "recall", "f1")] == pytest.approx([precision, recall, f1])
        assert int(row["test"]) == support
    assert [row["mislas"] for row in rows] == ["many"] * 3 + ["medium"] * 4 + ["few"] * 3
    assert [row["shots"] for row in rows] == ["many"] * 8 + ["medium"] * 2


def test_a_thousand_classes_fit_what_a_worker_takes_and_more_are_left_to_the_table() -> None:
    draws = np.random.default_rng(0)
    for num_classes in (1000, 1001):
        targets = np.arange(num_classes).repeat(3)
        predicted = np.where(draws.random(len(targets)) < 0.5, targets, 0)
        counts = draws.integers(1, 1281, num_classes)
        told = class_results(evaluate_classes(np.eye(num_classes)[predicted], targets, counts))
        written = as_json({"class_counts": counts.tolist(), **told})
        assert len(written) < 60 * 1024
        assert (strict(written.decode())["recalls"] is None) == (num_classes > 1000)


def test_what_is_not_finite_is_null_in_the_result(tmp_path: Path) -> None:
    row = {
        "epoch": 1,
        "note": "a word",
        "train_loss": float("nan"),
        "test_nll": float("inf"),
        "test_gm": np.float64("nan"),
    }
    write_outputs(tmp_path, a_run(history=[row], reported=0, extra={"rates": [float("nan"), {"a": float("-inf")}]}))
    result = strict((tmp_path / "result.json").read_text())
    assert [result["metrics"][name] for name in ("train_loss", "test_nll", "test_gm")] == [None] * 3
    assert "note" not in result["metrics"]
    assert result["rates"] == [None, {"a": None}]


def test_predictions_are_plain_arrays_that_score_as_the_metrics_say(tmp_path: Path) -> None:
    write_outputs(tmp_path, a_run())
    with np.load(tmp_path / "predictions.npz", allow_pickle=False) as arrays:
        assert {name: (array.shape, array.dtype.kind) for name, array in arrays.items()} == {
            "test_logits": ((500, 10), "f"),
            "test_targets": ((500,), "i"),
            "val_logits": ((500, 10), "f"),
            "val_targets": ((500,), "i"),
            "class_names": ((10,), "U"),
        }
        assert arrays["class_names"].tolist() == NAMES
        assert evaluate(arrays["test_logits"], arrays["test_targets"], COUNTS)["test_acc"] == 0.322


def test_the_counts_of_every_split_stand_by_the_name_of_the_class(tmp_path: Path) -> None:
    write_outputs(tmp_path, a_run())
    rows = rows_of(tmp_path / "class_counts.csv")
    assert [row["name"] for row in rows] == NAMES
    assert [int(row["train"]) for row in rows] == COUNTS
    assert [int(row["val"]) + int(row["test"]) for row in rows] == [112, 110, 90, 99, 90, 99, 109, 88, 96, 107]


def test_without_a_validation_split_its_cells_are_empty_and_its_arrays_absent(tmp_path: Path) -> None:
    write_outputs(tmp_path, a_run(val_logits=None, val_targets=None, temperature=None))
    assert {row["val"] for row in rows_of(tmp_path / "class_counts.csv")} == {""}
    with np.load(tmp_path / "predictions.npz") as arrays:
        assert sorted(arrays) == ["class_names", "test_logits", "test_targets"]
    assert strict((tmp_path / "result.json").read_text())["temperature"] is None


def test_a_class_that_the_test_split_lacks_is_counted_as_zero(tmp_path: Path) -> None:
    kept = TARGETS[500:] != 9
    write_outputs(tmp_path, a_run(test_logits=LOGITS[500:][kept], test_targets=TARGETS[500:][kept]))
    assert rows_of(tmp_path / "class_counts.csv")[9]["test"] == "0"


def test_the_table_has_the_catalogues_columns_then_further_ones(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_metrics_csv(path, [{"epoch": 1, "gamma_b": 0.5}, {"epoch": 2, "extra": "x, y", "test_ece": None}])
    assert path.read_text().splitlines()[0].split(",") == [*METRIC_COLUMNS, "gamma_b", "extra"]
    first, second = rows_of(path)
    assert (first["epoch"], first["gamma_b"], first["extra"], first["test_ece"]) == ("1", "0.5", "", "")
    assert (second["extra"], second["test_ece"]) == ("x, y", "")


def test_a_number_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    values: list[float] = [0.1 + 0.2, 1 / 3, 1e-300, np.float64(2 / 3), float("nan")]
    write_metrics_csv(path, [{"epoch": k, "train_loss": value} for k, value in enumerate(values)])
    read = [float(row["train_loss"]) for row in rows_of(path)]
    assert read == pytest.approx(values, rel=0, abs=0, nan_ok=True)


def test_the_figures_of_a_run_selected_on_test_say_more_than_those_of_an_honest_one(tmp_path: Path) -> None:
    for select in ("last", "best_test"):
        (tmp_path / select).mkdir()
        write_outputs(tmp_path / select, a_run(extra={"select": select}))
    for name in ("reliability.png", "curves.png"):
        assert (tmp_path / "last" / name).read_bytes() != (tmp_path / "best_test" / name).read_bytes()


def test_a_longer_history_replaces_the_table_whole_and_a_failure_leaves_it(tmp_path: Path) -> None:
    class Unwritable:
        def __str__(self) -> str:
            raise OSError("no")

    path = tmp_path / "metrics.csv"
    write_metrics_csv(path, [{"epoch": 1}])
    write_metrics_csv(path, [{"epoch": 1}, {"epoch": 2}])
    with pytest.raises(OSError, match="no"):
        write_metrics_csv(path, [{"epoch": 3}, {"epoch": Unwritable()}])  # type: ignore[dict-item]
    assert [row["epoch"] for row in rows_of(path)] == ["1", "2"]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.csv"]


def test_the_same_run_leaves_the_same_bytes(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_outputs(folder, a_run())
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reported": 3}, "row 3 of a history of 3 epochs"),
        ({"history": [], "reported": 0}, "history of 0 epochs"),
        ({"test_logits": np.full((500, 10), np.nan)}, "logits holds NaN"),
        ({"test_targets": TARGETS[:10]}, "targets must have shape"),
        ({"val_targets": None}, "both val_logits and val_targets"),
        ({"val_logits": LOGITS[:500, :9]}, "with 9 classes|class_counts"),
        ({"class_counts": COUNTS[:9]}, "class_counts has shape"),
        ({"class_names": NAMES[:9]}, "9 class_names for 10 classes"),
    ],
)
def test_a_run_that_does_not_fit_together_is_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        write_outputs(tmp_path, a_run(**changes))
    assert not list(tmp_path.iterdir())
