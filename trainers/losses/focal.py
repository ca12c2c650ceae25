"""Focal loss, of the softmax and of one sigmoid a class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.errors import SpecError
from trainers.losses.base import Batch, Loss
from trainers.losses.label_probs import LabelProbs, is_label


def focal_terms(label: LabelProbs, gamma: float | Tensor) -> Tensor:
    """(1 - p_y)^gamma * (-log p_y) of each sample, (N,); gamma at least 0, one for all or (N,)."""
    return torch.exp(gamma * label.log_rest()) * label.nll


def sigmoid_focal_terms(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """sum_j (1 - q_j)^gamma * (-log q_j) of each sample, (N,); q_j = sigmoid(z_j) of the label, sigmoid(-z_j) else."""
    toward = torch.where(is_label(targets, logits.shape[1]), logits, -logits)
    # log(1 - q) is exact as the log of the mirrored sigmoid.
    return -(torch.exp(gamma * F.logsigmoid(-toward)) * F.logsigmoid(toward)).sum(dim=1)


def focal_mean(batch: Batch, gamma: float, form: str) -> Tensor:
    """The mean of either form over a batch, () float, in which the scale of class weights stays.

    The weights multiply outside: none leaks into the probability, and so into the power.
    """
    if form == "sigmoid":
        return batch.counted_mean(sigmoid_focal_terms(batch.logits, batch.targets, gamma))
    return batch.counted_mean(focal_terms(LabelProbs.of(batch.logits, batch.targets), gamma))


class Focal(Loss):
    """Cross entropy that fades as a sample becomes easy: mean_i (1 - p_y)^gamma * (-log p_y).

    `sigmoid` is another loss: one such binary term a class, summed over the classes.

    Args:
        gamma: at least 0; 0 is cross entropy.
        form: `softmax` or `sigmoid`.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.

    Raises:
        SpecError: gamma is negative.

    Source: Lin et al., ICCV 2017, eq. 4, without alpha; `sigmoid` as zhangyongshun/BagofTricks-LT.
    """

    takes_weights = True

    def __init__(self, *, gamma: float = 2.0, form: str = "softmax") -> None:
        super().__init__()
        if gamma < 0:
            raise SpecError(f"focal's gamma is {gamma}; it must be at least 0")
        self.gamma, self.form = gamma, form

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        return focal_mean(batch, self.gamma, self.form)
