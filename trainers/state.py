"""Where a run stands between two steps: everything that a checkpoint holds beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Best:
    """The best epoch so far, where `select` asks for one.

    Attributes:
        epoch: from 1.
        score: accuracy that it was chosen by.
        model: its weights, on the CPU.
    """

    epoch: int
    score: float
    model: dict[str, Tensor]


@dataclass
class TrainState:
    """Progress of a run.

    Attributes:
        epoch: epochs done.
        step: steps done in the epoch after those.
        losses: mean loss of each step of the running epoch, (steps,) float32 on the device; under several ranks this
            rank's share of it.
        correct: samples of the running epoch that were classified rightly when they were trained on, () int64.
        epoch_seconds: spent on the running epoch, earlier attempts included.
        seconds: spent on all epochs.
        samples_seen: by all ranks in all epochs.
        history: a row an epoch.
        best: None with `select: last`.
        devices_seen: names of the devices that trained this run, in order.
        train_seconds: spent on the steps of the epochs done, without evaluation and checkpoints.
        gpu_seconds: spent on all epochs, times the GPUs that were held; 0 on a CPU.
        watched: rows of the loss's own table, which it made of the validation split.
        weighed: rows of the rule's own table, which it made of the training split.
        peak_memory_bytes: of any rank's GPU; on a CPU, of any rank's process.
    """

    losses: Tensor
    correct: Tensor
    epoch: int = 0
    step: int = 0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    samples_seen: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: Best | None = None
    devices_seen: list[str] = field(default_factory=list)
    train_seconds: float = 0.0
    gpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    watched: list[dict[str, Any]] = field(default_factory=list)
    weighed: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def fresh(cls, steps: int, device: torch.device) -> TrainState:
        """The start of a run whose epochs have `steps` steps."""
        return cls(torch.zeros(steps, device=device), torch.zeros((), dtype=torch.int64, device=device))

    def begin_next_epoch(self) -> None:
        """Count the running epoch as done."""
        self.epoch += 1
        self.step = 0
        self.epoch_seconds = 0.0
        self.losses = torch.zeros_like(self.losses)
        self.correct = torch.zeros_like(self.correct)

    def record(self) -> dict[str, Any]:
        """Plain values and tensors, as `restore` takes them."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "losses": self.losses.cpu(),
            "correct": self.correct.cpu(),
            "epoch_seconds": self.epoch_seconds,
            "seconds": self.seconds,
            "samples_seen": self.samples_seen,
            "history": self.history,
            "best": None if self.best is None else vars(self.best),
            "devices_seen": self.devices_seen,
            "train_seconds": self.train_seconds,
            "gpu_seconds": self.gpu_seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
            "watched": self.watched,
            "weighed": self.weighed,
        }

    @classmethod
    def restore(cls, record: Mapping[str, Any], device: torch.device) -> TrainState:
        """The state that `record` described.

        Raises:
            KeyError, TypeError: it is not one.
        """
        values = dict(record)
        values["losses"] = values["losses"].to(device)
        values["correct"] = values["correct"].to(device)
        values["best"] = None if values["best"] is None else Best(**values["best"])
        return cls(**values)
