"""Dual focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from trainers.losses.base import Batch, Loss
from trainers.losses.label_probs import LabelProbs


def dual_log_base(label: LabelProbs) -> Tensor:
    """The log of 1 - p_y + q, (N,): q is the largest probability strictly below p_y, 0 where there is none."""
    return torch.logaddexp(label.log_rest(), label.log_next_below())


class DualFocal(Loss):
    """mean_i (1 - p_y + q)^gamma * (-log p_y), q the largest probability strictly below p_y, or 0.

    Of a misclassified sample q is not the runner-up. The gradient goes through p_y and q, not through the choice; where
    several classes have q's value it is shared among them.

    Args:
        gamma: at least 0; 0 is cross entropy. Published (Linwei94/ICML2023-DualFocalLoss): CIFAR-10, ResNet-50 5, its
            ResNet-110 4.5, its WRN 2.6, DenseNet-121 5; CIFAR-100, 5, 6.1, 3.9, 3.4; Tiny-ImageNet, ResNet-50 2.3.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Tao et al., ICML 2023.
    """

    def __init__(self, *, gamma: float = 5.0) -> None:
        super().__init__()
        self.gamma = gamma

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        label = LabelProbs.of(batch.logits, batch.targets)
        return batch.counted_mean(torch.exp(self.gamma * dual_log_base(label)) * label.nll)
