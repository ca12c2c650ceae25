"""Cross entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss


class CrossEntropy(Loss):
    """mean_i -log softmax(z_i)[y_i]; with class weights, their mean as torch's `cross_entropy(weight=...)` has it.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    """

    takes_weights = True

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        return cross_entropy(batch, batch.logits)


def cross_entropy(batch: Batch, logits: Tensor) -> Tensor:
    """The criterion of most losses: cross entropy of transformed logits (N, C), weighted as the batch says, ()."""
    if batch.is_plain:
        return F.cross_entropy(logits, batch.targets)
    return batch.weighted_mean(F.cross_entropy(logits, batch.targets, reduction="none"))
