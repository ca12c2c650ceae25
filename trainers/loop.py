"""One epoch of training: batches from the device's own images, steps, and when to stop between them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from trainers.data.resident import EpochDraws, Pixels, Resident, crop_and_flip
from trainers.errors import NonFiniteError
from trainers.losses.base import Loss
from trainers.precision import Precision
from trainers.progress import Progress
from trainers.ranks import Ranks, Share, share_of_batch
from trainers.schedule import learning_rate
from trainers.spec import Training
from trainers.state import TrainState
from trainers.stopping import StopRequest

_FINITE_CHECK_STEPS: Final = 64  # looking at a loss makes the host wait for the device
_CUDA_AGREE_STEPS: Final = 8  # asking the other ranks makes the host wait for theirs

_GO_ON, _STOP, _NOT_FINITE = range(3)


@dataclass(frozen=True)
class Model:
    """What is trained, and how.

    Attributes:
        network: holds the weights; what checkpoints and evaluation use.
        forward: the network as training calls it: compiled, or wrapped for several ranks. Batch norm sees this rank's
            part of a batch only; rank 0's running statistics are everybody's.
        loss: of this spec.
        optimizer: over all parameters.
        scaler: for fp16.
        precision: of the forward pass.
    """

    network: nn.Module
    forward: nn.Module
    loss: Loss
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    precision: Precision


@dataclass(frozen=True)
class Feed:
    """Where batches come from.

    Attributes:
        images: the training images.
        pixels: their normalisation.
        has_flips: whether augmentation may mirror.
        seed: of the run.
    """

    images: Resident
    pixels: Pixels
    has_flips: bool
    seed: int


def steps_per_epoch(count: int, train: Training) -> int:
    """Batches in an epoch over `count` images."""
    return count // train.batch_size if train.drop_last else math.ceil(count / train.batch_size)


class EpochLoop:
    """Trains epoch by epoch.

    Args:
        model: what is trained.
        feed: on what.
        train: with which numbers.
        ranks: with whom.
    """

    def __init__(self, model: Model, feed: Feed, train: Training, ranks: Ranks) -> None:
        self.model, self.feed, self.train, self.ranks = model, feed, train, ranks
        self.steps = steps_per_epoch(len(feed.images), train)

    def run_epoch(self, state: TrainState, stop: StopRequest, progress: Progress) -> bool:
        """Train what is left of the running epoch.

        Returns:
            whether the epoch's steps are all done; False: asked to stop, and `state` says where.

        Raises:
            NonFiniteError: the loss is no number any more.
        """
        self.model.forward.train()
        draws = EpochDraws.of(len(self.feed.images), self.feed.seed, state.epoch, self.ranks.device)
        began, before = time.monotonic(), state.epoch_seconds
        verdict = _GO_ON
        while state.step < self.steps and verdict == _GO_ON:
            count = self._step(state, draws)
            state.step += 1
            state.samples_seen += count
            state.epoch_seconds = before + time.monotonic() - began
            progress.seen(count, state.epoch + state.step / self.steps, self._peak_memory_bytes())
            verdict = self._verdict(state, stop)
        if verdict == _NOT_FINITE:
            raise self._not_finite(state)
        return state.step == self.steps

    def rate(self, epoch: int, step: int) -> float:
        """The learning rate of a step; both from 0."""
        return learning_rate(self.train, epoch, step, self.steps)

    def train_metrics(self, state: TrainState) -> dict[str, float]:
        """Mean loss and accuracy over the epoch's samples, as they were trained on; all ranks call it."""
        ranges = [self._batch_range(step) for step in range(self.steps)]
        sizes = torch.tensor([end - start for start, end in ranges], dtype=torch.float64)
        losses, correct = self.ranks.sum(state.losses).cpu(), self.ranks.sum(state.correct)
        seen = float(sizes.sum())
        return {"train_loss": float((losses * sizes).sum()) / seen, "train_acc": int(correct) / seen}

    def _batch_range(self, step: int) -> tuple[int, int]:
        start = step * self.train.batch_size
        return start, min(start + self.train.batch_size, len(self.feed.images))

    def _step(self, state: TrainState, draws: EpochDraws) -> int:
        """One step of the optimizer; returns the size of the global batch."""
        model = self.model
        start, end = self._batch_range(state.step)
        share = share_of_batch(end - start, self.ranks.rank, self.ranks.size)
        images, targets = self._batch(draws, slice(start + share.start, start + share.stop))
        for group in model.optimizer.param_groups:
            group["lr"] = self.rate(state.epoch, state.step)
        loss, logits = self._loss(images, targets, state.epoch)
        loss = loss * share.weight
        model.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        model.scaler.step(model.optimizer)
        model.scaler.update()
        model.optimizer.zero_grad(set_to_none=True)
        self._tally(state, share, loss.detach(), (logits.detach().argmax(dim=1) == targets).sum())
        return end - start

    def _batch(self, draws: EpochDraws, chosen: slice) -> tuple[Tensor, Tensor]:
        indices = draws.order[chosen]
        pixels = self.feed.images.pixels[indices]
        if self.train.augment == "weak":
            flips = draws.flips[chosen] if self.feed.has_flips else None
            pixels = crop_and_flip(pixels, draws.offsets[chosen], flips)
        return self.feed.pixels.normalise(pixels), self.feed.images.targets[indices]

    def _loss(self, images: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        with self.model.precision.autocast():
            out: Any = self.model.forward(images, with_features=self.model.loss.needs_features)
        logits, features = out if self.model.loss.needs_features else (out, None)
        return self.model.loss(logits, targets, features=features, epoch=epoch), logits

    def _tally(self, state: TrainState, share: Share, loss: Tensor, correct: Tensor) -> None:
        state.losses[state.step] = loss / self.ranks.size
        if share.weight > 0:
            state.correct += correct

    def _verdict(self, state: TrainState, stop: StopRequest) -> int:
        """Whether to go on; the same on all ranks, so that all stop after the same step."""
        is_last = state.step == self.steps
        if self.ranks.size > 1 and self.ranks.device.type == "cuda" and state.step % _CUDA_AGREE_STEPS and not is_last:
            return _GO_ON
        asked = stop.is_set
        verdict = _STOP if asked else _GO_ON
        if is_last or asked or state.step % _FINITE_CHECK_STEPS == 0:
            verdict = verdict if bool(state.losses.isfinite().all()) else _NOT_FINITE
        return self.ranks.largest(verdict)

    def _not_finite(self, state: TrainState) -> NonFiniteError:
        losses = self.ranks.sum(state.losses).cpu()
        first = int((~losses.isfinite()).nonzero()[0])
        return NonFiniteError("loss", state.epoch + 1, first + 1)

    def _peak_memory_bytes(self) -> int | None:
        device = self.ranks.device
        return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
