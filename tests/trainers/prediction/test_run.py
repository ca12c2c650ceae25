"""Transforms of a small finished run, by the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from tests.trainers.attempts import attempt, document
from trainers.backbones import build_backbone
from trainers.calibration.metrics import ece
from trainers.calibration.temperature import fit_temperature
from trainers.data.images import load_dataset
from trainers.data.resident import Pixels
from trainers.metrics.evaluate import evaluate
from trainers.prediction.__main__ import main

CPU = torch.device("cpu")
VAL = {"per_class": 12}


@pytest.fixture(scope="module")
def runs(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs: `run`, `cosine` with such a head, and `bare`, which is `run` without its validation split."""
    root = tmp_path_factory.mktemp("runs")
    attempt(root / "run", document({"epochs": 2}, val=VAL))
    attempt(root / "cosine", document({"epochs": 1}, val=VAL, seed=1, head={"name": "cosine"}))
    bare = shutil.copytree(root / "run", root / "bare")
    arrays = {key: array for key, array in stored(bare).items() if not key.startswith("val_")}
    np.savez(bare / "predictions.npz", **arrays)
    result = json.loads((bare / "result.json").read_text())
    (bare / "result.json").write_text(json.dumps({**result, "select": "best_test"}))
    return root


@pytest.fixture
def folder(runs: Path, tmp_path: Path) -> Path:
    """A copy of `run` that a test may write to."""
    return shutil.copytree(runs / "run", tmp_path / "run")


def predict(folder: Path, *arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON file and the arrays of a prediction that goes well."""
    assert main([str(folder), *arguments]) == 0
    names = "-".join(arguments[index + 1] for index, word in enumerate(arguments) if word == "--transform")
    with np.load(folder / f"prediction-{names}.npz", allow_pickle=False) as arrays:
        return json.loads((folder / f"prediction-{names}.json").read_text()), dict(arrays)


def stored(folder: Path) -> dict[str, Any]:
    with np.load(folder / "predictions.npz") as arrays:
        return dict(arrays)


def parameters(told: dict[str, Any], number: int = 0) -> dict[str, tuple[Any, str]]:
    return {key: (one["value"], one["from"]) for key, one in told["transforms"][number]["parameters"].items()}


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_logits_are_adjusted_as_asked_and_scored_with_their_own_probabilities(folder: Path) -> None:
    told, arrays = predict(folder, "--transform", "logit_adjustment", "--set", "tau=1.5")
    before, result = stored(folder), json.loads((folder / "result.json").read_text())
    counts = np.array(result["class_counts"])
    probs = softmax(before["test_logits"].astype(np.float64), axis=1) * (counts / counts.sum()) ** -1.5
    probs /= probs.sum(axis=1, keepdims=True)
    assert softmax(arrays["test_logits"], axis=1) == pytest.approx(probs, abs=1e-5)
    targets, metrics = arrays["test_targets"], told["metrics"]
    assert metrics["test_acc"] == pytest.approx(accuracy_score(targets, probs.argmax(axis=1)))
    assert metrics["test_balanced_acc"] == pytest.approx(balanced_accuracy_score(targets, probs.argmax(axis=1)))
    assert metrics["test_nll"] == pytest.approx(log_loss(targets, probs), abs=1e-6)
    assert metrics["test_ece"] == pytest.approx(ece(probs, targets), abs=1e-6)
    assert parameters(told) == {"tau": (1.5, "given")}
    assert told["before"]["test_nll"] == pytest.approx(result["metrics"]["test_nll"])
    assert told["recall_floor"] == 1e-3
    assert set(told["groups"]) == {"shots", "shots_le20", "thirds"}


def test_without_a_number_tau_is_the_one_that_serves_the_validation_split_best(folder: Path) -> None:
    before, counts = stored(folder), json.loads((folder / "result.json").read_text())["class_counts"]
    prior, draws = np.log(counts) - np.log(sum(counts)), np.random.default_rng(0)
    for split, tau in (("val", 1.3), ("test", 0.2)):
        sound = draws.normal(size=before[f"{split}_logits"].shape)
        before |= {f"{split}_logits": sound + tau * prior, f"{split}_targets": sound.argmax(axis=1)}
    np.savez(folder / "predictions.npz", **before)
    for arguments in ([], ["--set", "tau=val"]):
        told, arrays = predict(folder, "--transform", "logit_adjustment", *arguments)
        ((tau, origin),) = parameters(told).values()
        assert origin == "val"
        found = (before["val_logits"] - tau * prior).argmax(axis=1)
        assert balanced_accuracy_score(before["val_targets"], found) > 0.98
        assert tau == pytest.approx(1.3, abs=0.2)
        assert arrays["val_logits"] == pytest.approx(before["val_logits"] - tau * prior, abs=1e-5)


def test_a_normalised_head_predicts_as_the_network_with_that_head(folder: Path, tiny: Path) -> None:
    told, arrays = predict(folder, "--transform", "tau_norm", "--set", "tau=0.7")
    network, images = rebuilt(folder)
    with torch.no_grad():
        weight = network.linear.weight
        weight /= weight.norm(dim=1, keepdim=True) ** 0.7
        expected = network(images).numpy()
    assert arrays["test_logits"] == pytest.approx(expected, abs=1e-4)
    assert np.abs(expected - stored(folder)["test_logits"]).max() > 0.01
    assert parameters(told) == {"tau": (0.7, "given")}
    told, _ = predict(folder, "--transform", "tau_norm")
    assert parameters(told)["tau"][1] == "val"


def rebuilt(folder: Path) -> tuple[Any, torch.Tensor]:
    """The network of a run, and the normalised test images."""
    content = torch.load(folder / "checkpoint.pt", weights_only=True)
    network = build_backbone("simple_cnn", num_classes=3)
    network.load_state_dict(content["model"])
    dataset = load_dataset({"name": "folder", "path": "tiny", "size": 16})
    return network.eval(), Pixels.of(dataset, CPU).normalise(torch.from_numpy(np.array(dataset.test.images)))


TINY = 'dataset={"name": "folder", "path": "tiny", "size": 16}'


@pytest.mark.parametrize("named", [[], ["--set", TINY]])
def test_flips_are_averaged_under_what_was_done_before(named: list[str], folder: Path, tiny: Path) -> None:
    told, arrays = predict(folder, "--transform", "temperature", "--set", "t=2", "--transform", "flip", *named)
    network, images = rebuilt(folder)
    with torch.no_grad():
        plain, mirrored = network(images), network(images.flip(3))
    expected = ((plain / 2).softmax(dim=1) + (mirrored / 2).softmax(dim=1)) / 2
    assert softmax(arrays["test_logits"], axis=1) == pytest.approx(expected.numpy(), abs=1e-5)
    assert [one["name"] for one in told["transforms"]] == ["temperature", "flip"]
    assert len(arrays["val_logits"]) == 36
    assert "fp32" in told["notes"][0]


def test_two_runs_are_added_each_at_a_temperature_of_its_own(folder: Path, runs: Path) -> None:
    told, arrays = predict(folder, "--transform", "ensemble", "--set", f"with={runs / 'cosine'}")
    new, old = stored(folder), stored(runs / "cosine")
    t1, t2 = (fit_temperature(one["val_logits"], one["val_targets"]) for one in (new, old))
    chosen = parameters(told)
    assert chosen["t1"] == (pytest.approx(t1), "val")
    assert chosen["t2"] == (pytest.approx(t2), "val")
    mean = (softmax(new["test_logits"] / t1, axis=1) + softmax(old["test_logits"] / t2, axis=1)) / 2
    assert softmax(arrays["test_logits"], axis=1) == pytest.approx(mean, abs=1e-5)
    told, _ = predict(
        folder, "--transform", "ensemble", "--set", f"with={runs / 'cosine'}", "--set", "t1=1", "--set", "t2=3"
    )
    assert [parameters(told)[key] for key in ("t1", "t2")] == [(1.0, "given"), (3.0, "given")]


def test_a_run_beside_that_was_selected_on_test_is_flagged(folder: Path, runs: Path, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    shutil.copytree(runs / "cosine", beside)
    told = json.loads((beside / "result.json").read_text()) | {"select": "best_test"}
    (beside / "result.json").write_text(json.dumps(told))
    told, _ = predict(folder, "--transform", "ensemble", "--set", f"with={beside}")
    assert any("The run beside is optimistic" in note for note in told["notes"])


def test_what_follows_an_ensemble_of_unlike_validation_splits_cannot_be_fitted(
    folder: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, arrays = predict(folder, "--transform", "ensemble", "--set", f"with={runs / 'bare'}")
    assert parameters(told)["t2"] == (1.0, "default")
    assert "val_logits" not in arrays
    assert any("t2 is 1, the default" in note for note in told["notes"])
    capsys.readouterr()
    ensemble = ["--transform", "ensemble", "--set", f"with={runs / 'bare'}"]
    assert main([str(folder), *ensemble, "--transform", "temperature"]) == 2
    assert "do not share a validation split" in one_line(capsys)


def test_transforms_are_applied_in_the_order_given_and_each_stands_in_the_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, arrays = predict(
        folder, "--transform", "tau_norm", "--transform", "logit_adjustment", "--transform", "temperature"
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["test", "accuracy"]
    assert [line.split("  ")[0] for line in lines[1:5]] == ["before", "tau_norm", "+ logit_adjustment", "+ temperature"]
    assert any("below 0.001 as 0.001" in line for line in lines)
    again = evaluate(
        arrays["test_logits"], arrays["test_targets"], json.loads((folder / "result.json").read_text())["class_counts"]
    )
    assert told["metrics"] == pytest.approx({key: again[key] for key in told["metrics"]}, abs=1e-5, nan_ok=True)
    ((temperature, origin),) = parameters(told, 2).values()
    assert origin == "val"
    scaled = fit_temperature(arrays["val_logits"], arrays["val_targets"])
    assert scaled == pytest.approx(1.0, abs=1e-4)
    assert temperature > 0


def test_without_a_validation_split_tau_is_one_and_that_is_said(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(runs / "bare", tmp_path / "bare")
    told, _ = predict(folder, "--transform", "logit_adjustment")
    assert parameters(told) == {"tau": (1.0, "default")}
    printed = capsys.readouterr().out
    assert "tau is 1, the default: there is no validation split" in printed
    assert "selected on the test split" in printed
    assert told["select"] == "best_test"


def test_an_alias_is_another_spelling(folder: Path) -> None:
    assert main([str(folder), "--transform", "la"]) == 0
    assert (folder / "prediction-logit_adjustment.json").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "no transform is asked for"),
        (["--transform", "tau_nrm"], "did you mean 'tau_norm'"),
        (["--set", "tau=1"], "belongs to no transform"),
        (["--transform", "la", "--set", "tau"], "is no pair"),
        (["--transform", "la", "--set", "tua=1"], "did you mean 'tau'"),
        (["--transform", "la", "--set", "tau=-1"], "at least 0"),
        (["--transform", "la", "--set", "tau=much"], "give a number, or val"),
        (["--transform", "la", "--set", "tau=NaN"], "give a number, or val"),
        (["--transform", "ts", "--set", "t=0"], "above 0"),
        (["--transform", "la", "--transform", "logit_adjustment"], "twice"),
        (["--transform", "ensemble"], "needs 'with'"),
        (["--transform", "ensemble", "--set", "with=/nowhere"], "cannot be read"),
        (["--transform", "la", "--transform", "tau_norm"], "put it first"),
        (["--transform", "flip", "--set", "dataset=digits"], "a mirror image of digits need not be of its class"),
        (["--transform", "flip", "--set", "dataset=3"], "give the name of a data set"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_writes_nothing(
    arguments: list[str], complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), *arguments]) == 2
    assert complaint in one_line(capsys)
    assert not list(folder.glob("prediction-*"))


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("cosine", ["--transform", "tau_norm"], "rows have norm 1 already"),
        ("bare", ["--transform", "temperature"], "nothing may be fitted on test"),
        ("bare", ["--transform", "tau_norm", "--set", "tau=val"], "nothing may be fitted on test"),
        ("nowhere", ["--transform", "la"], "name the folder of a finished run"),
    ],
)
def test_a_run_that_lacks_what_is_needed_says_so(
    name: str, arguments: list[str], complaint: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(runs / name), *arguments]) == 2
    assert complaint in one_line(capsys)


def test_a_run_on_other_images_is_no_part_of_an_ensemble(
    folder: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(runs / "cosine", tmp_path / "other")
    arrays = stored(other)
    np.savez(other / "predictions.npz", **{**arrays, "test_targets": arrays["test_targets"][::-1]})
    assert main([str(folder), "--transform", "ensemble", "--set", f"with={other}"]) == 2
    assert "not the same test split" in one_line(capsys)


def test_weights_that_the_run_does_not_report_are_refused(
    folder: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(runs / "cosine" / "checkpoint.pt", folder)
    assert main([str(folder), "--transform", "tau_norm"]) == 2
    assert "does not hold the weights" in one_line(capsys)
    (folder / "checkpoint.pt").write_bytes(b"half")
    assert main([str(folder), "--transform", "tau_norm"]) == 2
    assert "no whole checkpoint" in one_line(capsys)
    (folder / "checkpoint.pt").unlink()
    assert main([str(folder), "--transform", "tau_norm"]) == 2
    assert "is not there" in one_line(capsys)


def test_an_older_prediction_does_not_stay_beside_newer_arrays(folder: Path) -> None:
    predict(folder, "--transform", "logit_adjustment", "--set", "tau=1")
    first = (folder / "prediction-logit_adjustment.npz").read_bytes()
    told, arrays = predict(folder, "--transform", "logit_adjustment", "--set", "tau=2")
    assert (folder / "prediction-logit_adjustment.npz").read_bytes() != first
    assert parameters(told)["tau"] == (2.0, "given")
    assert sorted(path.name for path in folder.glob("*prediction-*")) == [
        "prediction-logit_adjustment.json",
        "prediction-logit_adjustment.npz",
    ]
    assert len(arrays["test_logits"]) == len(stored(folder)["test_logits"])


def test_where_the_numbers_cannot_be_written_none_of_an_older_prediction_are_left(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(folder, "--transform", "logit_adjustment", "--set", "tau=1")
    capsys.readouterr()
    (folder / ".prediction-logit_adjustment.json.tmp").mkdir()  # in the way of the file that is to be renamed
    assert main([str(folder), "--transform", "logit_adjustment", "--set", "tau=2"]) == 2
    assert "prediction-logit_adjustment.json" in one_line(capsys)
    assert not (folder / "prediction-logit_adjustment.json").exists()
