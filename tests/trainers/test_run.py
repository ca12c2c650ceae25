"""Attempts as processes: killed, asked to stop, given bad input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.trainers.attempts import attempt, document, result, start, wait_until
from tests.trainers.data.trees import image_tree
from trainers.checkpoint import NAME, PREVIOUS
from trainers.errors import EXIT_PREEMPTED

pytestmark = pytest.mark.usefixtures("tiny")

LONG = document({"epochs": 3, "batch_size": 2}, eval_every=3)  # enough steps to be killed among


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit status and what was written to standard error."""
    _, errors = process.communicate(timeout=240)
    return process.returncode, errors


def test_after_sigterm_in_mid_epoch_and_sigkill_the_weights_are_those_of_an_uninterrupted_run(tmp_path: Path) -> None:
    whole, first, second, third = (tmp_path / name for name in ("whole", "first", "second", "third"))
    attempt(whole, LONG)

    process = start(first, LONG)
    wait_until((first / "progress.json").exists, "the first step")
    process.send_signal(signal.SIGTERM)
    status, errors = finish(process)
    assert status == EXIT_PREEMPTED, errors
    assert json.loads((first / "failure.json").read_text())["kind"] == "preempted"
    state = torch.load(first / NAME, weights_only=True)["state"]
    assert state["epoch"] == 0
    assert 0 < state["step"] < state["losses"].numel()

    process = start(second, LONG, [first])
    wait_until((second / PREVIOUS).exists, "an epoch's end")
    process.kill()
    status, errors = finish(process)
    assert status == -signal.SIGKILL
    assert f"resumed after epoch 0 and step {state['step']}" in errors

    status, errors = finish(start(third, LONG, [second, first]))
    assert status == 0
    assert "resumed after epoch" in errors
    for key in ("weights_sha256", "samples_seen", "class_counts"):
        assert result(third)[key] == result(whole)[key]


def test_a_corrupt_image_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_DATA", str(tmp_path))
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    tree = image_tree(tmp_path / "set")
    (tree / "train" / "bee" / "01.png").write_bytes(b"no image")
    folder = tmp_path / "run"
    status, errors = finish(start(folder, document(dataset={"name": "folder", "path": "set", "size": 32})))
    assert status not in {0, EXIT_PREEMPTED}
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    record = json.loads((folder / "failure.json").read_text())
    assert record["kind"] == "failed"
    assert "train/bee/01.png" in record["error"]


def test_importing_the_entry_point_imports_no_torch() -> None:
    program = "import sys, trainers.run, trainers.lifeline; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
