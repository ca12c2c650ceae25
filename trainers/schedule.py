"""The learning rate of every step: pure functions, no torch."""

from __future__ import annotations

import math
from typing import Final

from trainers.spec import Training

_RISE: Final = 0.2  # share of a one-cycle run in which the rate rises


def learning_rate(train: Training, epoch: int, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step.

    `one_cycle` moves at each step, the others at each epoch. In a warm-up of w epochs the rate is
    lr * (start * (1 - e/w) + e/w) with e from 1, and so on beyond lr for `warmup_over` more epochs; then the rate is
    where it would be without those. The cosine begins after the w epochs. `multistep` multiplies by `decay` once as
    many epochs are done as each milestone says.

    Args:
        train: the schedule and its numbers.
        epoch: from 0.
        step: in the epoch, from 0.
        steps_per_epoch: batches in an epoch.
    """
    if train.schedule == "one_cycle":
        return train.lr * _triangle(epoch * steps_per_epoch + step, train.epochs * steps_per_epoch)
    if train.warmup_epochs and epoch < train.warmup_epochs + train.warmup_over:
        done = (epoch + 1) / train.warmup_epochs
        return train.lr * (train.warmup_start * (1 - done) + done)
    if train.schedule == "cosine":
        progress = (epoch - train.warmup_epochs) / (train.epochs - train.warmup_epochs)
        return train.lr * (1 + math.cos(math.pi * progress)) / 2
    if train.schedule == "multistep":
        return train.lr * train.decay ** sum(epoch >= milestone for milestone in train.milestones)
    return train.lr


def _triangle(step: int, steps: int) -> float:
    """From 0 at step 0 to 1 at a fifth of the steps, then to 0, which it would reach one step after the last."""
    progress = step / steps
    return progress / _RISE if progress < _RISE else (1 - progress) / (1 - _RISE)
