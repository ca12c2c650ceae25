"""Two ranks on a CPU: the job of one rank, shared."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

import pytest
import torch

from tests.trainers.attempts import attempt, document, result, start, wait_until
from trainers.checkpoint import NAME, weights_sha256

pytestmark = pytest.mark.usefixtures("tiny")

TRAIN = {"epochs": 3, "batch_size": 32, "schedule": "one_cycle", "lr": 0.1}
IMBALANCE = {"type": "exp", "mu": "1/2", "n_max": 57}  # the last batch is no multiple of two


def test_two_ranks_see_the_samples_of_one_and_learn_as_much_also_when_interrupted(tmp_path: Path) -> None:
    one, first, second = (tmp_path / name for name in ("one", "first", "second"))
    attempt(one, document(TRAIN, imbalance=IMBALANCE, select="best_test"))
    spec = document({**TRAIN, "ranks": 2}, imbalance=IMBALANCE, select="best_test")
    process = start(first, spec, ranks=2)
    wait_until((first / "progress.json").exists, "the first step")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=240)
    assert json.loads((first / "failure.json").read_text())["kind"] == "preempted"
    assert torch.load(first / NAME, weights_only=True)["state"]["samples_seen"] > 0
    process = start(second, spec, [first], ranks=2)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    content = torch.load(second / NAME, weights_only=True)
    assert weights_sha256(content["model"]) == result(second)["weights_sha256"]
    assert result(second)["samples_seen"] == result(one)["samples_seen"]
    assert result(second)["metrics"]["test_acc"] == pytest.approx(result(one)["metrics"]["test_acc"], abs=0.15)
    assert first_loss(second) == pytest.approx(first_loss(one), rel=0.2)


def first_loss(folder: Path) -> float:
    with (folder / "metrics.csv").open(newline="") as file:
        return float(next(csv.DictReader(file))["train_loss"])
