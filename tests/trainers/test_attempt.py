"""Whole runs in this process: what they write, and what they report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainers.attempts import attempt, document, result
from trainers.attempt import PROGRESS_VARIABLE
from trainers.backbones import build_backbone
from trainers.catalogue import METRIC_COLUMNS
from trainers.checkpoint import weights_sha256
from trainers.data.images import load_dataset
from trainers.data.resident import Pixels, resident
from trainers.data.split import choose
from trainers.errors import NonFiniteError, Preempted, SpecError
from trainers.stopping import StopRequest

pytestmark = pytest.mark.usefixtures("tiny")

OUTPUTS = {
    "checkpoint.pt",
    "class_counts.csv",
    "curves.png",
    "indices.npz",
    "metrics.csv",
    "per_class.csv",
    "predictions.npz",
    "reliability.png",
    "result.json",
}


@pytest.fixture(scope="module")
def with_val(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A finished run with a validation split and a cosine head."""
    folder = tmp_path_factory.mktemp("with_val")
    attempt(folder, document({"epochs": 3}, val={"per_class": 5}, head={"name": "cosine", "scale": 16.0}))
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_finished_run_leaves_its_outputs_and_nothing_else(with_val: Path) -> None:
    assert {path.name for path in with_val.iterdir()} == OUTPUTS


def test_every_epoch_has_a_row_of_the_catalogues_columns(with_val: Path) -> None:
    table = rows(with_val)
    assert list(table[0]) == list(METRIC_COLUMNS)
    assert [row["epoch"] for row in table] == ["1", "2", "3"]
    assert {(row["stage"], row["model"], row["method"]) for row in table} == {("single", "simple_cnn", "ce")}
    assert all(row["test_ece_ts"] and row["val_nll"] and row["temperature"] for row in table)


def test_the_result_says_what_ran(with_val: Path) -> None:
    said = result(with_val)
    kept = choose(load_dataset(document()["dataset"]).train.targets, document()["imbalance"], {"per_class": 5}, 0)
    assert said["class_counts"] == list(kept.class_counts)
    assert said["samples_seen"] == 3 * sum(kept.class_counts)
    assert said["epoch"] == 3
    assert (said["device"], said["precision"], said["devices_seen"], said["note"]) == ("cpu", "fp32", ["cpu"], "")
    assert said["num_parameters"] == 94_080
    assert said["temperature"] == said["metrics"]["temperature"] > 0


def test_the_chosen_images_are_stored(with_val: Path) -> None:
    kept = choose(load_dataset(document()["dataset"]).train.targets, document()["imbalance"], {"per_class": 5}, 0)
    with np.load(with_val / "indices.npz") as stored:
        assert stored["train"].tolist() == kept.train.tolist()
        assert stored["val"].tolist() == kept.val.tolist()


def test_the_checkpoint_alone_rebuilds_the_network_that_predicted(with_val: Path) -> None:
    content = torch.load(with_val / "checkpoint.pt", weights_only=True)
    described = content["network"]
    network = build_backbone(
        described["backbone"]["name"], num_classes=len(described["class_names"]), head=described["head"]
    )
    network.load_state_dict(content["model"])
    assert weights_sha256(network.state_dict()) == result(with_val)["weights_sha256"]
    cpu, dataset = torch.device("cpu"), load_dataset(document()["dataset"])
    images = Pixels.of(dataset, cpu).normalise(resident(dataset.test, slice(None), cpu).pixels)
    with torch.inference_mode(), np.load(with_val / "predictions.npz") as stored:
        logits = network.eval()(images)
        torch.testing.assert_close(torch.from_numpy(stored["test_logits"]), logits, rtol=1e-4, atol=1e-4)
        accuracy = float((logits.argmax(dim=1).numpy() == stored["test_targets"]).mean())
    assert accuracy == pytest.approx(result(with_val)["metrics"]["test_acc"])


def test_a_second_run_of_a_spec_ends_with_the_same_weights_and_another_seed_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "progress.json"))
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        attempt(tmp_path / name, document({"epochs": 1}, seed=seed))
    first, again, other = (result(tmp_path / name)["weights_sha256"] for name in ("first", "again", "other"))
    assert first == again != other
    assert '"fraction": 1.0' in (tmp_path / "progress.json").read_text()


def test_digits_are_learned(tmp_path: Path) -> None:
    attempt(
        tmp_path,
        document(
            {"epochs": 3, "schedule": "one_cycle", "lr": 0.1},
            dataset={"name": "digits"},
            imbalance={"type": "none"},
            eval_every=3,
        ),
    )
    assert result(tmp_path)["metrics"]["test_acc"] > 0.75


def test_without_validation_nothing_is_fitted_and_unevaluated_epochs_have_train_columns_only(tmp_path: Path) -> None:
    attempt(tmp_path, document({"epochs": 3}, eval_every=2))
    table = rows(tmp_path)
    assert [bool(row["test_acc"]) for row in table] == [False, True, True]
    assert all(row["train_loss"] for row in table)
    assert not any(row["val_acc"] or row["temperature"] or row["test_ece_ts"] for row in table)
    assert result(tmp_path)["temperature"] is None


@pytest.mark.parametrize(("select", "column"), [("best_val", "val_acc"), ("best_test", "test_acc")])
def test_the_best_epoch_is_reported_with_its_own_weights(tmp_path: Path, select: str, column: str) -> None:
    # A rate that is too high in the end, so that the last epoch is not the best one.
    train = {"epochs": 4, "lr": 1e-4, "schedule": "multistep", "milestones": [2], "decay": 1e4}
    attempt(tmp_path, document(train, val={"per_class": 10}, select=select))
    scores = [float(row[column]) for row in rows(tmp_path)]
    best = scores.index(max(scores))
    said = result(tmp_path)
    assert said["epoch"] == best + 1 < 4
    assert said["metrics"][column] == pytest.approx(scores[best])
    with np.load(tmp_path / "predictions.npz") as stored:
        split = column.partition("_")[0]
        accuracy = (stored[f"{split}_logits"].argmax(axis=1) == stored[f"{split}_targets"]).mean()
    assert accuracy == pytest.approx(scores[best])
    assert weights_sha256(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]) == said["weights_sha256"]


@pytest.mark.parametrize(
    ("learning", "table"),
    [
        ({"loss": {"name": "adafocal"}}, "val_bin_stats.csv"),
        ({"rule": {"name": "dynamic_rw", "mode": "recall"}}, "class_weights.csv"),
    ],
    ids=["loss", "rule"],
)
def test_a_run_that_was_done_but_for_its_outputs_writes_them(
    tmp_path: Path, learning: dict[str, Any], table: str
) -> None:
    spec = document(val={"per_class": 10}, select="best_val", **learning)
    attempt(tmp_path / "first", spec)
    (tmp_path / "first" / "result.json").rename(tmp_path / "kept.json")
    attempt(tmp_path / "second", spec, [tmp_path / "first"])
    assert {path.name for path in (tmp_path / "second").iterdir()} == OUTPUTS | {table}
    (tmp_path / "kept.json").rename(tmp_path / "first" / "result.json")
    assert result(tmp_path / "second") == result(tmp_path / "first")


def test_a_diverging_loss_ends_the_run_and_says_where(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"loss stopped being finite at epoch 1, step [1-9]"):
        attempt(tmp_path, document({"lr": 1e30}))
    assert not (tmp_path / "checkpoint.pt").exists()


def test_dropping_the_last_batch_sees_whole_batches_only(tmp_path: Path) -> None:
    attempt(tmp_path, document({"drop_last": True, "epochs": 1}))
    assert result(tmp_path)["samples_seen"] % 32 == 0
    with pytest.raises(SpecError, match="batch_size 1000 is more than the 65 training images"):
        attempt(tmp_path / "none", document({"drop_last": True, "batch_size": 1000}))


def test_asked_to_stop_before_the_first_step_there_is_one_step_and_a_checkpoint(tmp_path: Path) -> None:
    stop = StopRequest()
    stop.is_set = True
    with pytest.raises(Preempted):
        attempt(tmp_path, document(), stop=stop)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["state"]
    assert (state["epoch"], state["step"]) == (0, 1)


def test_stopping_at_every_step_ends_with_the_weights_of_a_run_that_never_stopped(tmp_path: Path) -> None:
    spec = document({"epochs": 2, "batch_size": 20}, eval_every=2)
    attempt(tmp_path / "whole", spec)
    earlier: list[Path] = []
    while not (tmp_path / f"{len(earlier) - 1}" / "result.json").exists():
        stop = StopRequest()
        stop.is_set = len(earlier) < 8
        folder = tmp_path / str(len(earlier))
        try:
            attempt(folder, spec, earlier[::-1], stop)
        except Preempted:
            assert not (folder / "result.json").exists()
        earlier.append(folder)
    whole, pieced = result(tmp_path / "whole"), result(earlier[-1])
    assert pieced["weights_sha256"] == whole["weights_sha256"]
    assert pieced["samples_seen"] == whole["samples_seen"]
    assert rows(earlier[-1])[0]["train_loss"] == rows(tmp_path / "whole")[0]["train_loss"]
    assert len(earlier) >= 6
