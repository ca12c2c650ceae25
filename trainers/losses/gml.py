"""Geometric mean loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss
from trainers.losses.label_probs import is_label
from trainers.losses.transforms import Prior


class GeometricMean(Loss):
    """-log of the geometric mean, over the classes in the batch, of the mean probability of their images.

    p_i is the label's probability of softmax(z_i + log n), not below `clamp`; P_c the mean p_i over the batch's images
    of class c, S the classes that have any: loss = (mean over S of (-log P_c)^power)^(1 / power), with class weights
    their weighted mean. The mean inside the log makes it no mean of terms of single images: a batch in parts, or on
    several ranks, is as many batches. `clamp` bounds the value; the gradient passes as that of log p_i, since a class
    whose images all lie below would not be learned again.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        power: above 0; 1 is the geometric mean, a larger one is nearer to the worst class.
        clamp: in (0, 1).

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Du and Wu, CVPR 2023; values as in seed 004.
    """

    takes_weights = True
    needs_one_label = True

    def __init__(self, class_counts: Sequence[int], *, power: float = 1.0, clamp: float = 1e-5) -> None:
        super().__init__()
        self.power, self.clamp = power, clamp
        self.prior = Prior(class_counts)

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        logits = self.prior(batch.logits, batch)
        nll, present = class_nll(logits, batch.targets, self.clamp)
        # Absent classes have a weight of 0 rather than being cut out, which the host would have to count them for.
        weights = present if batch.class_weights is None else present * batch.class_weights.to(present.dtype)
        return _power_mean(nll, weights / weights.sum(), self.power)


def class_nll(logits: Tensor, targets: Tensor, clamp: float) -> tuple[Tensor, Tensor]:
    """-log of each class's mean probability, (C,), 0 of an absent class; and whether it is present, (C,) 0 or 1."""
    log_probs = -F.cross_entropy(logits, targets, reduction="none")
    floor = math.log(max(clamp, torch.finfo(logits.dtype).tiny))
    bounded = log_probs.detach().clamp(min=floor) + (log_probs - log_probs.detach())
    own = is_label(targets, logits.shape[1]).to(logits.dtype)
    counts = own.sum(dim=0)
    present = counts.clamp(max=1)
    sums = (own * bounded.exp().unsqueeze(1)).sum(dim=0)
    return -(sums / counts.clamp(min=1) + (1 - present)).log(), present


def _power_mean(values: Tensor, weights: Tensor, power: float) -> Tensor:
    """(sum w v^power)^(1 / power) of values (C,) at least 0, () float."""
    if power == 1:
        return (weights * values).sum()
    # Relative to the largest, and none below what a rounded probability can tell from 1: no power is 0 or infinite.
    values = values.clamp(min=torch.finfo(values.dtype).eps)
    largest = values.detach().max()
    return largest * (weights * (values / largest) ** power).sum() ** (1 / power)
