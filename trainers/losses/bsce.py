"""Balanced softmax."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss


class BalancedSoftmax(Loss):
    """Cross entropy of logits shifted by the log class counts: mean_i -log softmax(z_i + log n)[y_i].

    Only training sees the shift; the network's own logits are those of a balanced test set.

    Args:
        class_counts: training images per class, (C,), each at least 1.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Ren et al., NeurIPS 2020, eq. 4; same values as jiawei-ren/BalancedMetaSoftmax-Classification.
    """

    log_counts: Tensor

    def __init__(self, class_counts: Sequence[int]) -> None:
        super().__init__()
        # Double, so that double logits lose nothing; not part of a checkpoint: the spec says them.
        counts = torch.as_tensor(class_counts, dtype=torch.float64)
        self.register_buffer("log_counts", counts.log(), persistent=False)

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        return F.cross_entropy(batch.logits + self.log_counts.to(batch.logits.dtype), batch.targets)
