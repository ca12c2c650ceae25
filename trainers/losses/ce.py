"""Cross entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss


class CrossEntropy(Loss):
    """mean_i -log softmax(z_i)[y_i].

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    """

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        return F.cross_entropy(batch.logits, batch.targets)
