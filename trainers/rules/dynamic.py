"""Class weights that follow how well each class is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from trainers.calibration.inputs import Floats, Integers, checked_logits
from trainers.errors import SpecError
from trainers.losses.base import Loss, Watched
from trainers.metrics.confusion import confusion_matrix, f1_scores, recalls
from trainers.rules.rule import Rule

_SMALL = 1e-6


class Dynamic(Rule):
    """After each epoch w <- clip(ema w + (1 - ema) (min + (max - min) a), min, max), a_c = u_c / (max_k u_k + 1e-6).

    u_c is the class's mean loss, unweighted, over the training split; or 1 - its recall; or 1 - its F1. w starts at 1,
    unclipped. A class without samples keeps its weight.

    Args:
        class_counts: training images per class, (C,).
        mode: `loss`, `recall` or `f1`.
        ema: what is kept of a weight at each update, in 0..1, 1 left out.
        min_weight: smallest weight.
        max_weight: largest weight.
        normalise: `none`, or `mean1`: the weights divided by their mean (those that w goes on from are not).

    Raises:
        SpecError: min_weight is above max_weight.

    Source: our own definition after seed 001, stage 2 (ICTTA), whose EMA begins with the second update.
    """

    watches_train: ClassVar[bool] = True
    table_name: ClassVar[str] = "class_weights.csv"

    raw: Tensor
    weights: Tensor

    def __init__(  # noqa: PLR0913  the method's own
        self,
        class_counts: Sequence[int],
        *,
        mode: str = "loss",
        ema: float = 0.8,
        min_weight: float = 1.0,
        max_weight: float = 8.0,
        normalise: str = "none",
    ) -> None:
        super().__init__(torch.ones(len(class_counts)), learns=True)
        if min_weight > max_weight:
            raise SpecError(f"min_weight {min_weight:g} is above max_weight {max_weight:g}; swap them")
        self._mode, self._ema, self._bounds = mode, ema, (min_weight, max_weight)
        self._has_mean_one = normalise == "mean1"
        # What w goes on from, as exact as it was computed.
        self.register_buffer("raw", torch.ones(len(class_counts), dtype=torch.float64))

    def wrapped(self, loss: Loss) -> Loss:
        """The loss itself.

        Raises:
            SpecError: its value for a class takes features, which are not kept for the whole training split, or does
                not say how far the class is, as it may be negative.
        """
        if self._mode == "loss" and loss.needs_features:
            raise SpecError("a loss that needs features has no value for a whole class; use `mode: recall` or `f1`")
        if self._mode == "loss" and loss.may_be_negative:
            raise SpecError("a loss that may be negative does not say how far a class is; use `mode: recall` or `f1`")
        return loss

    def watch(self, logits: Tensor, targets: Tensor, loss: Loss, epoch: int) -> Watched:
        """Move the weights after an epoch.

        Args:
            logits: of the training split, (N, C) float32, on the CPU.
            targets: (N,) int64, on the CPU.
            loss: what is trained with, on the rule's device.
            epoch: the one that has just ended, from 0.

        Returns:
            a row a class: the weight that it is trained with from the next epoch on.

        Raises:
            ValueError: logits that are not finite; nothing has changed then.
        """
        scores, labels = checked_logits(logits, targets)
        if self._mode == "loss":
            needs = class_losses(loss, logits, targets, epoch, self.raw.device)
        else:
            needs = shortfalls(scores, labels, self._mode)
        found = moved(self.raw.cpu().numpy(), needs, self._ema, *self._bounds)
        used = found / found.mean() if self._has_mean_one else found
        self.raw.copy_(torch.from_numpy(found))
        self.weights.copy_(torch.from_numpy(used))
        rows = [{"epoch": epoch + 1, "class": index, "weight": float(weight)} for index, weight in enumerate(used)]
        return Watched(table=rows)


def moved(weights: Floats, needs: Floats, ema: float, least: float, most: float) -> Floats:
    """The weights (C,) after one update.

    Args:
        weights: before it, (C,).
        needs: u, (C,), at least 0; NaN for a class without samples, which keeps its weight.
        ema: what is kept.
        least: smallest weight.
        most: largest weight.
    """
    known = ~np.isnan(needs)
    if not known.any():
        return weights.copy()
    target = least + (most - least) * needs / (needs[known].max() + _SMALL)
    after = np.clip(ema * weights + (1 - ema) * target, least, most)
    return np.where(known, after, weights)


def shortfalls(logits: Floats, targets: Integers, mode: str) -> Floats:
    """1 - recall (mode `recall`) or 1 - F1 (`f1`) of each class, (C,); NaN for a class without samples."""
    confusion = confusion_matrix(logits.argmax(axis=1), targets, logits.shape[1])
    values = recalls(confusion) if mode == "recall" else f1_scores(confusion)
    return np.where(confusion.sum(axis=1) > 0, 1 - values, np.nan)


def class_losses(loss: Loss, logits: Tensor, targets: Tensor, epoch: int, device: torch.device) -> Floats:
    """The loss of each class's samples apart, unweighted, (C,); NaN for a class without samples.

    Args:
        loss: as it is trained; needs no features.
        logits: (N, C) float, on the CPU.
        targets: (N,) int64, on the CPU.
        epoch: from 0.
        device: of the loss.
    """
    told = epoch if loss.needs_epoch else None
    values = np.full(logits.shape[1], np.nan)
    with torch.no_grad():
        for index in sorted(set(targets.tolist())):
            chosen = targets == index
            values[index] = float(loss(logits[chosen].to(device), targets[chosen].to(device), epoch=told))
    return values
