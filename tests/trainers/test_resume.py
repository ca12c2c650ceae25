"""A run that is killed anywhere and resumed ends with the bits of the run that was not."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

from tests.trainers.attempts import attempt, document, start, wait_until
from tests.trainers.killed_and_resumed import LOSSES, tell
from trainers.checkpoint import NAME
from trainers.errors import EXIT_PREEMPTED, NonFiniteError, SpecError
from trainers.saving import SAVE_VARIABLE

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.mark.parametrize("loss", LOSSES)
def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_bits(tmp_path: Path, loss: str) -> None:
    story = tell(tmp_path, loss, seed=0)
    assert story.resumed == story.unbroken
    assert story.rows[0] == story.rows[1]


def test_a_run_that_diverges_says_where_its_last_good_checkpoint_is(tmp_path: Path) -> None:
    train = {"epochs": 3, "lr": 1e-3, "schedule": "multistep", "milestones": [1], "decay": 1e35}
    with pytest.raises(NonFiniteError, match=r"the last good checkpoint: .*/checkpoint.pt, after epoch 1$"):
        attempt(tmp_path, document(train))
    assert torch.load(tmp_path / NAME, weights_only=True)["state"]["epoch"] == 1
    assert all(tensor.isfinite().all() for tensor in torch.load(tmp_path / NAME, weights_only=True)["model"].values())


def test_a_long_epoch_is_saved_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAVE_VARIABLE, "0")
    process = start(tmp_path / "run", document({"epochs": 1, "batch_size": 1}))
    wait_until((tmp_path / "run" / NAME).exists, "a checkpoint")
    process.kill()
    process.communicate()
    state = torch.load(tmp_path / "run" / NAME, weights_only=True)["state"]
    assert (state["epoch"], state["step"] > 0) == (0, True)


def test_how_often_to_save_must_be_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAVE_VARIABLE, "often")
    with pytest.raises(SpecError, match="ORCH_SAVE_SECONDS is 'often'; give seconds"):
        attempt(tmp_path, document())


def test_slurms_early_warning_is_a_request_to_stop(tmp_path: Path) -> None:
    process = start(tmp_path / "run", document({"epochs": 500}))
    wait_until((tmp_path / "run" / NAME).exists, "a checkpoint")
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=60)
    assert process.returncode == EXIT_PREEMPTED
    assert '"kind": "preempted"' in (tmp_path / "run" / "failure.json").read_text()
