"""Margin-based label smoothing."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss
from trainers.losses.ce import cross_entropy


class MarginLabelSmoothing(Loss):
    """Cross entropy + alpha * mean_ik max(0, max_j z_ij - z_ik - margin): logits may lie apart up to a margin.

    Args:
        alpha: at least 0.
        margin: at least 0; logits.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Liu et al., CVPR 2022, eq. 9 (MbLS).
    """

    def __init__(self, *, alpha: float = 0.1, margin: float = 10.0) -> None:
        super().__init__()
        self.alpha, self.margin = alpha, margin

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        below = batch.logits.amax(dim=1, keepdim=True) - batch.logits
        beyond = F.relu(below - self.margin)
        penalty = beyond.mean() if batch.is_plain else batch.counted_mean(beyond.mean(dim=1))
        return cross_entropy(batch, batch.logits) + self.alpha * penalty
