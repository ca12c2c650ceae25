"""Focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from trainers.errors import SpecError
from trainers.losses.base import Batch, Loss
from trainers.losses.label_probs import LabelProbs


def focal_terms(label: LabelProbs, gamma: float | Tensor) -> Tensor:
    """(1 - p_y)^gamma * (-log p_y) of each sample, (N,); gamma at least 0, one for all or (N,)."""
    return torch.exp(gamma * label.log_rest()) * label.nll


class Focal(Loss):
    """Cross entropy that fades as a sample becomes easy: mean_i (1 - p_y)^gamma * (-log p_y).

    Args:
        gamma: at least 0; 0 is cross entropy.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.

    Raises:
        SpecError: gamma is negative.

    Source: Lin et al., ICCV 2017, eq. 4, without alpha.
    """

    def __init__(self, *, gamma: float = 2.0) -> None:
        super().__init__()
        if gamma < 0:
            raise SpecError(f"focal's gamma is {gamma}; it must be at least 0")
        self.gamma = gamma

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        return focal_terms(LabelProbs.of(batch.logits, batch.targets), self.gamma).mean()
