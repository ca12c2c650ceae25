"""One epoch of training: batches, steps, and when to stop or to save between them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from trainers.draws import derived_seed
from trainers.errors import NonFiniteError
from trainers.feed import EpochFeed, Feed
from trainers.progress import Progress
from trainers.ranks import Ranks, Share, share_of_batch
from trainers.schedule import learning_rate
from trainers.spec import Training
from trainers.state import TrainState
from trainers.step import EagerStep, Model, RecordedStep, Step
from trainers.stopping import StopRequest

_FINITE_CHECK_STEPS: Final = 64  # looking at a loss makes the host wait for the device
_CUDA_AGREE_STEPS: Final = 8  # asking the other ranks makes the host wait for theirs

# In the order of their weight: ranks agree on the largest.
_GO_ON, _SAVE, _STOP, _NOT_FINITE = range(4)

Save = Callable[[], None]


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
        save_seconds: how much training may be lost within an epoch.
    """

    def __init__(self, model: Model, feed: Feed, train: Training, ranks: Ranks, save_seconds: float = math.inf) -> None:
        self.model, self.feed, self.train, self.ranks = model, feed, train, ranks
        self.steps = steps_per_epoch(len(feed.images), train)
        self._save_seconds = save_seconds
        self.step = self._stepper()

    def _stepper(self) -> Step:
        eager = EagerStep(self.model, self.train.accumulate)
        return RecordedStep(eager) if self.train.graph else eager

    def run_epoch(self, state: TrainState, stop: StopRequest, progress: Progress, save: Save) -> bool:
        """Train what is left of the running epoch.

        Args:
            state: where the run stands; moves on.
            stop: looked at after each step.
            progress: told of each step.
            save: writes a checkpoint; called by all ranks, when an epoch is long.

        Returns:
            whether the epoch's steps are all done; False: asked to stop, and `state` says where.

        Raises:
            NonFiniteError: the loss is no number any more.
        """
        self.model.forward.train()
        self.model.rule.begin_epoch(state.epoch)
        feed = self.feed.epoch(state.epoch, self.train.batch_size)
        began, before = time.monotonic(), state.epoch_seconds
        saved, verdict = began, _GO_ON
        while state.step < self.steps and verdict < _STOP:
            count = self._step(state, feed)
            state.step += 1
            state.samples_seen += count
            now = time.monotonic()
            state.epoch_seconds = before + now - began
            progress.seen(count, state.epoch + state.step / self.steps)
            verdict = self._verdict(state, stop, is_save_due=now - saved >= self._save_seconds)
            if verdict == _SAVE:
                save()
                saved = time.monotonic()
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

    def _step(self, state: TrainState, feed: EpochFeed) -> int:
        """One step of the optimizer; returns the size of the global batch."""
        start, end = self._batch_range(state.step)
        share = share_of_batch(end - start, self.ranks.rank, self.ranks.size)
        samples, rate = feed.samples(start, end, share), self.rate(state.epoch, state.step)
        every = self.model.loss.meta_every
        if every and (state.epoch * self.steps + state.step) % every == 0:
            samples = replace(samples, look=self.feed.look(state.epoch, state.step, self.train.batch_size, rate))
        self.model.set_rate(rate)
        if self.model.draws:  # from torch's own generators, which each step finds as if it were the first
            seed = derived_seed(self.feed.seed, "dropout", state.epoch, state.step, self.ranks.rank)
            torch.manual_seed(seed)
        loss, correct = self.step(samples, share.weight, state.epoch)
        self._tally(state, share, loss, correct)
        return end - start

    def _tally(self, state: TrainState, share: Share, loss: Tensor, correct: Tensor) -> None:
        state.losses[state.step] = loss * (share.weight / self.ranks.size)
        if share.weight > 0:
            state.correct += correct

    def _verdict(self, state: TrainState, stop: StopRequest, is_save_due: bool) -> int:
        """Whether to go on; the same on all ranks, so that all stop or save after the same step."""
        is_last = state.step == self.steps
        if self.ranks.size > 1 and self.ranks.device.type == "cuda" and state.step % _CUDA_AGREE_STEPS and not is_last:
            return _GO_ON
        asked = stop.is_set
        verdict = _STOP if asked else _SAVE if is_save_due and not is_last else _GO_ON
        # What is no number is never saved: the checkpoint from before is the last good one.
        if is_last or verdict != _GO_ON or state.step % _FINITE_CHECK_STEPS == 0:
            verdict = verdict if bool(state.losses.isfinite().all()) else _NOT_FINITE
        return self.ranks.largest(verdict)

    def _not_finite(self, state: TrainState) -> NonFiniteError:
        losses = self.ranks.sum(state.losses).cpu()
        first = int((~losses.isfinite()).nonzero()[0])
        return NonFiniteError("loss", state.epoch + 1, first + 1)
