from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.export.calibration_csv import FURTHER_COLUMNS, SEED_COLUMNS, bin_stats, files
from orchestrator.export.source import Done, Job, Source
from orchestrator.export.write import Wish, export
from tests.orchestrator.export.finished import EXPERIMENT, jobs_of, record, result_folder, table
from tests.orchestrator.scene import Scene
from tests.trainers.attempts import document
from trainers.outputs import write_metrics_csv

HEADER = (
    "dataset,num_classes,backbone,method,epoch,test_acc,test_ece,test_adaece,test_classwise_ece,test_nll,"
    "test_acc_ts,test_ece_ts,test_adaece_ts,test_classwise_ece_ts,test_nll_ts,"
    "lambda_if_any,val_smooth_ece_if_any,temperature_T,"
    "seed,lr,train_loss,val_acc,val_ece,val_nll,test_brier,test_brier_ts,test_mce,test_smece,test_aurc,"
    "test_predclass_ece,test_many_ece,test_medium_ece,test_few_ece,epoch_seconds"
)
FILES = {
    "digits_methods_log.csv",
    "digits_methods_log_seed5.csv",
    "done_digits_simple_cnn_CE+WD.json",
    "done_digits_simple_cnn_CE+WD_seed5.json",
    "done_digits_simple_cnn_FL-3.json",
    "done_digits_simple_cnn_AdaFocal.json",
    "error_digits_simple_cnn_BSCE.txt",
    "reliability_digits_simple_cnn_CE+WD.png",
    "reliability_digits_simple_cnn_CE+WD_seed5.png",
    "reliability_digits_simple_cnn_FL-3.png",
    "reliability_digits_simple_cnn_AdaFocal.png",
    "val_bin_stats.txt",
}


@pytest.fixture(scope="module")
def exported(finished: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "c10"
    export(finished.root, EXPERIMENT, Wish("calibration-csv", folder))
    return folder


def test_the_files_are_those_of_the_seed_and_no_other(exported: Path) -> None:
    assert {path.name for path in exported.iterdir() if not path.name.startswith(".")} == FILES


def test_the_log_has_the_seeds_columns_in_their_order_and_then_others(exported: Path) -> None:
    assert len(SEED_COLUMNS) == 18
    assert len(FURTHER_COLUMNS) == 16
    for name in ("digits_methods_log.csv", "digits_methods_log_seed5.csv"):
        assert (exported / name).read_text().splitlines()[0] == HEADER


def test_a_row_has_the_numbers_of_the_runs_own_table_to_the_digit(finished: Scene, exported: Path) -> None:
    ours: dict[str, list[dict[str, str]]] = {}
    for row in table(exported / "digits_methods_log.csv"):
        ours.setdefault(row["method"], []).append(row)
    assert list(ours) == ["CE+WD", "FL-3", "AdaFocal"]
    labels = {"CE+WD": ("ce", 0), "FL-3": ("focal", 0), "AdaFocal": ("adafocal", 0)}
    for label, rows in ours.items():
        own = table(result_folder(finished, jobs_of(finished)[labels[label]].id) / "metrics.csv")
        assert [row["epoch"] for row in rows] == ["1", "2"]
        for row, theirs in zip(rows, own, strict=True):
            assert row["temperature_T"] == theirs["temperature"] != ""
            assert row["test_acc_ts"] == theirs["test_acc"]
            assert row["epoch_seconds"] == theirs["seconds"]
            shared = set(theirs).intersection(row) - {"dataset", "method"}
            assert {"test_ece", "test_adaece", "test_classwise_ece", "test_nll", "test_ece_ts", "lr"} <= shared
            assert {key: row[key] for key in shared} == {key: theirs[key] for key in shared}
            assert (row["dataset"], row["num_classes"], row["backbone"]) == ("digits", "10", "simple_cnn")
            assert row["lambda_if_any"] == row["val_smooth_ece_if_any"] == ""


def test_another_seed_has_a_log_of_its_own_and_says_which(exported: Path) -> None:
    rows = table(exported / "digits_methods_log_seed5.csv")
    assert [(row["method"], row["epoch"], row["seed"]) for row in rows] == [("CE+WD", "1", "5"), ("CE+WD", "2", "5")]


def test_the_done_record_has_five_numbers_of_the_reported_epoch_and_of_two_others(
    finished: Scene, exported: Path
) -> None:
    found = record(exported / "done_digits_simple_cnn_FL-3.json")
    assert list(found) == ["acc", "ece", "adaece", "classwise", "nll", "select", "last", "best_val"]
    job = jobs_of(finished)["focal", 0].id
    reported = record(result_folder(finished, job) / "result.json")["metrics"]
    assert found["acc"] == reported["test_acc"]
    assert found["classwise"] == reported["test_classwise_ece"]
    own = table(result_folder(finished, job) / "metrics.csv")
    best = max(own, key=lambda row: float(row["val_acc"]))
    for name, row in (("last", own[-1]), ("best_val", best)):
        assert found[name] == {
            "epoch": int(row["epoch"]),
            "acc": float(row["test_acc"]),
            "ece": float(row["test_ece"]),
            "adaece": float(row["test_adaece"]),
            "classwise": float(row["test_classwise_ece"]),
            "nll": float(row["test_nll"]),
        }


def test_a_failed_job_leaves_its_error_and_the_end_of_its_log(exported: Path) -> None:
    text = (exported / "error_digits_simple_cnn_BSCE.txt").read_text()
    assert text.startswith("the loss stopped being finite at epoch 1")
    assert text.count("the loss stopped being finite") == 2


def test_the_diagram_is_a_picture_of_the_seeds_size(exported: Path) -> None:
    data = (exported / "reliability_digits_simple_cnn_AdaFocal.png").read_bytes()
    assert Image.open(io.BytesIO(data)).size == (1080, 780)


def test_a_line_of_bins_is_an_update(finished: Scene, exported: Path) -> None:
    lines = [json.loads(line) for line in (exported / "val_bin_stats.txt").read_text().splitlines()]
    assert [list(line) for line in lines] == [[str(number) for number in range(15)]] * 2
    own = table(result_folder(finished, jobs_of(finished)["adafocal", 0].id) / "val_bin_stats.csv")
    assert len(own) == 30
    for row, (line, number) in zip(own, [(line, str(n)) for line in lines for n in range(15)], strict=True):
        assert list(line[number]) == ["lower_boundary", "upper_boundary", "gamma"]
        assert line[number]["gamma"] == float(row["gamma_after"])
        assert line[number]["lower_boundary"] == float(row["lower"])
    assert lines[0]["0"]["gamma"] != lines[1]["0"]["gamma"]


def test_updates_within_an_epoch_are_lines_of_their_own() -> None:
    rows = [
        {"epoch": "1", "bin": str(n), "lower": "0", "upper": "", "gamma_after": str(g)} for g in (1, 2) for n in (0, 1)
    ]
    lines = [json.loads(line) for line in bin_stats(rows)]
    assert [line["1"]["gamma"] for line in lines] == [1.0, 2.0]
    assert lines[0]["0"]["upper_boundary"] is None
    assert list(bin_stats([])) == []


def test_what_an_epoch_did_not_fit_is_empty_but_the_temperature_stays(tmp_path: Path) -> None:
    rows: list[dict[str, float | None]] = [
        {"epoch": 1, "test_acc": 0.1, "test_nll": 2.0, "test_nll_ts": None, "temperature": None, "val_acc": math.nan},
        {"epoch": 2, "test_acc": 0.2, "test_nll": 2.0, "test_nll_ts": 1.5, "temperature": 1.25, "lambda_if_any": 0.5},
        {"epoch": 3, "test_acc": 0.3, "test_nll": math.inf, "test_nll_ts": None, "temperature": None, "val_acc": 0.5},
        {"epoch": 4, "train_loss": 1.0},
        {"epoch": 5, "test_acc": 0.4, "test_nll": 1.0, "val_acc": 0.5, "test_brier": 0.75},
    ]
    write_metrics_csv(tmp_path / "metrics.csv", rows)
    job = Job("job-000000", document())
    source = Source("x", [job], [Done(job, tmp_path, {"metrics": {"test_acc": 0.4, "test_nll": None}})], [])
    written = dict(files(source))
    log = list(csv.DictReader(io.StringIO(written["folder_methods_log.csv"].decode())))
    assert [row["epoch"] for row in log] == ["1", "2", "3", "5"]
    assert [row["temperature_T"] for row in log] == ["", "1.25", "1.25", "1.25"]
    assert [row["test_acc_ts"] for row in log] == ["", "0.2", "", ""]
    assert [row["test_nll"] for row in log] == ["2.0", "2.0", "inf", "1.0"]
    assert [row["lambda_if_any"] for row in log] == ["", "0.5", "", ""]
    assert [row["test_brier"] for row in log] == ["", "", "", "0.75"]
    done = json.loads(written["done_folder_simple_cnn_CE+WD.json"])
    assert (done["acc"], done["nll"]) == (0.4, None)
    assert (done["last"]["epoch"], done["best_val"]["epoch"], done["best_val"]["nll"]) == (5, 3, None)


def test_what_a_run_has_lost_is_left_out_and_said(finished: Scene, tmp_path: Path) -> None:
    job = jobs_of(finished)["focal", 0].id
    folder = result_folder(finished, job).resolve()
    moved = {name: (folder / name).rename(folder / f"{name}.away") for name in ("metrics.csv", "predictions.npz")}
    try:
        told = export(finished.root, EXPERIMENT, Wish("calibration-csv", tmp_path))
    finally:
        for name, path in moved.items():
            path.rename(folder / name)
    assert [note for note in told.notes if job in note] == [
        f"{job} left no metrics.csv: it has no rows in the log",
        f"{job} left no predictions.npz: it has no diagram",
    ]
    assert "reliability_digits_simple_cnn_FL-3.png" not in told.files
    found = record(tmp_path / "done_digits_simple_cnn_FL-3.json")
    assert math.isfinite(found["acc"])
    assert found["last"] is None
    assert {row["method"] for row in table(tmp_path / "digits_methods_log.csv")} == {"CE+WD", "AdaFocal"}
