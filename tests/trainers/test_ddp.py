"""Two ranks on a CPU: the job of one rank, shared."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def looked_at(folder: Path, spec: Mapping[str, Any], *options: str) -> dict[str, Any]:
    """What `tests.trainers.global_batches` says of a spec."""
    folder.mkdir()
    ranks, path, out = spec["train"]["ranks"], folder / "spec.json", folder / "out.pt"
    path.write_text(json.dumps(spec))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    subprocess.run(
        [sys.executable, *launcher, "-m", "tests.trainers.global_batches", str(path), str(out), *options],
        check=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    found: dict[str, Any] = torch.load(out, weights_only=True)
    return found


def close(ones: list[torch.Tensor], others: list[torch.Tensor]) -> None:
    for one, other in zip(ones, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mixer", [{"name": "none"}, {"name": "mixup", "alpha": 0.4}])
def test_one_rank_and_two_see_the_same_global_batches_and_have_the_same_gradients(
    tmp_path: Path, mixer: dict[str, Any]
) -> None:
    def spec(**train: Any) -> dict[str, Any]:
        return document({**TRAIN, "augment": "strong", **train}, imbalance=IMBALANCE, mixer=mixer)

    one = looked_at(tmp_path / "one", spec(ranks=1), "--frozen")
    two = looked_at(tmp_path / "two", spec(ranks=2), "--frozen")
    assert one["hashes"] == two["hashes"]
    assert len(set(one["hashes"])) == len(one["hashes"]) == 4
    close(one["gradients"], two["gradients"])
    # Batch norm at work sees a rank's part of a batch; one rank that computes the same parts has the same gradients.
    parts = looked_at(tmp_path / "parts", spec(ranks=1, accumulate=2))
    ranks = looked_at(tmp_path / "ranks", spec(ranks=2))
    close(parts["gradients"], ranks["gradients"])
