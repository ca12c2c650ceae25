"""What only a GPU can show: recorded steps change no bit, no step makes the host wait, a run resumes to its bits."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.trainers.attempts import document, result, start, wait_until
from trainers.assembly import assemble, configure_torch
from trainers.checkpoint import NAME, weights_sha256
from trainers.errors import SpecError
from trainers.loop import EpochLoop
from trainers.losses.base import Batch, Loss
from trainers.patience import ONE_TRY
from trainers.progress import Progress
from trainers.ranks import join_ranks
from trainers.spec import parse_spec
from trainers.state import TrainState
from trainers.step import EagerStep, RecordedStep
from trainers.stopping import StopRequest

pytestmark = [
    pytest.mark.usefixtures("tiny"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]

IMBALANCE = {"type": "exp", "mu": "1/2", "n_max": 57}  # the last batch is a smaller one


def new_loop(train: dict[str, Any] | None = None, **sections: Any) -> EpochLoop:
    sections = {"backbone": {"name": "resnet20"}, "imbalance": IMBALANCE, **sections}
    spec = parse_spec(document({"batch_size": 16, "epochs": 4, **(train or {})}, **sections))
    configure_torch(spec.train.threads)
    return assemble(spec, join_ranks(1), StopRequest(), ONE_TRY).loop


def trained(loop: EpochLoop, epochs: int = 4) -> tuple[str, list[dict[str, float]]]:
    state = TrainState.fresh(loop.steps, loop.ranks.device)
    told = []
    for _ in range(epochs):
        assert loop.run_epoch(state, StopRequest(), Progress(None, epochs, 0.0), lambda: None)
        told.append(loop.train_metrics(state))
        state.begin_next_epoch()
    return weights_sha256(loop.model.network.state_dict()), told


@contextmanager
def no_waiting() -> Iterator[None]:
    """Whatever makes the host wait for the device is an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("extra", [{}, {"mixer": {"name": "cutmix", "alpha": 1.0}}])
def test_recorded_steps_end_with_the_bits_of_eager_ones(precision: str, extra: dict[str, Any]) -> None:
    train = {"precision": precision, "augment": "strong", "graph": True}
    recorded, eager = new_loop(train, **extra), new_loop(train, **extra)
    eager.step = EagerStep(eager.model)  # the rate on the device in both: as a host's number it is rounded elsewhere
    found, expected = trained(recorded), trained(eager)
    assert isinstance(recorded.step, RecordedStep)
    assert recorded.step.is_recorded
    assert found == expected


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_no_step_makes_the_host_wait(precision: str) -> None:
    loop = new_loop({"precision": precision, "augment": "strong"})
    trained(loop, 1)
    state = TrainState.fresh(loop.steps, loop.ranks.device)
    feed = loop.feed.epoch(0, loop.train.batch_size)
    loop._step(state, feed)
    with no_waiting():
        for state.step in range(1, loop.steps):
            loop._step(state, feed)


class Gathering(Loss):
    """Keeps a moving mean of the logits, in place or by a new tensor."""

    level: Tensor

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(3, device="cuda"))
        self._in_place = in_place

    def mean(self, batch: Batch) -> Tensor:
        new = 0.9 * self.level + 0.1 * batch.logits.detach().mean(dim=0)
        if self._in_place:
            self.level.copy_(new)
        else:
            self.level = new
        return F.cross_entropy(batch.logits - self.level, batch.targets)


def gathering(*, in_place: bool) -> EpochLoop:
    loop = new_loop({"graph": True})
    object.__setattr__(loop.model, "loss", Gathering(in_place=in_place))
    return loop


def test_a_loss_that_gathers_is_the_same_recorded_or_not() -> None:
    recorded, eager = gathering(in_place=True), gathering(in_place=True)
    eager.step = EagerStep(eager.model)
    assert trained(recorded) == trained(eager)


def test_a_loss_that_replaces_its_buffer_is_not_recorded() -> None:
    with pytest.raises(SpecError, match="the loss replaces its buffer 'level'"):
        trained(gathering(in_place=False))


def test_a_run_stopped_and_resumed_ends_with_the_bits_of_one_that_was_not(tmp_path: Path) -> None:
    spec = document({"epochs": 30, "batch_size": 16}, imbalance=IMBALANCE, eval_every=30)
    whole, first, second = (tmp_path / name for name in ("whole", "first", "second"))
    assert start(whole, spec).wait(240) == 0
    process = start(first, spec)
    wait_until((first / NAME).exists, "a checkpoint")
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert start(second, spec, [first]).wait(240) == 0
    assert result(second)["weights_sha256"] == result(whole)["weights_sha256"]
    assert result(second)["gpu_seconds"] > 0
    assert result(second)["peak_memory_bytes"] > 0


def test_too_little_memory_is_one_line_with_the_peak(tmp_path: Path) -> None:
    dataset = {"name": "folder", "path": "tiny", "size": 1024}
    spec = document({"batch_size": 64, "epochs": 1}, dataset=dataset, backbone={"name": "resnet110"})
    process = start(tmp_path / "big", spec)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "out of memory" in errors
    assert "Traceback" not in errors
    assert '"kind": "oom"' in (tmp_path / "big" / "failure.json").read_text()
