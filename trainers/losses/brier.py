"""Brier score as a loss, alone and beside cross entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss
from trainers.losses.ce import cross_entropy
from trainers.losses.label_probs import is_label


def brier_terms(logits: Tensor, targets: Tensor) -> Tensor:
    """sum_k (p_k - e_k)^2 of each sample, (N,) float in [0, 2]: neither halved nor divided by C."""
    probs = F.softmax(logits, dim=1)
    return (probs - is_label(targets, logits.shape[1]).to(probs.dtype)).square().sum(dim=1)


def brier_score(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean of `brier_terms` over the samples, () float in [0, 2]."""
    return brier_terms(logits, targets).mean()


class Brier(Loss):
    """mean_i sum_k (p_ik - e_ik)^2, e the one-hot label.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float in [0, 2].
    Source: Brier, Monthly Weather Review 1950; as in Mukhoti et al., NeurIPS 2020.
    """

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        return batch.counted_mean(brier_terms(batch.logits, batch.targets))


class CrossEntropyBrier(Loss):
    """Cross entropy + weight * Brier, both means over the samples.

    Args:
        weight: of the Brier score, at least 0.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: seed 002 ("CE+0.1Brier").
    """

    def __init__(self, *, weight: float = 0.1) -> None:
        super().__init__()
        self.weight = weight

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        brier = batch.counted_mean(brier_terms(batch.logits, batch.targets))
        return cross_entropy(batch, batch.logits) + self.weight * brier
