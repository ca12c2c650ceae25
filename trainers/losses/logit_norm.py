"""Cross entropy of normalised logits."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from trainers.losses.base import Batch, Loss
from trainers.losses.ce import cross_entropy

_SHIFT: Final = 1e-7


class LogitNorm(Loss):
    """Cross entropy of z / ((|z| + 1e-7) tau), |z| the Euclidean norm: only the direction of the logits is trained.

    Only training sees the norm; the network's own logits are those of the test.

    Args:
        tau: above 0.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Wei et al., ICML 2022, eq. 5; tau of its code for CIFAR-10.
    """

    def __init__(self, *, tau: float = 0.01) -> None:
        super().__init__()
        self.tau = tau

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        norm = torch.linalg.vector_norm(batch.logits, dim=1, keepdim=True)
        return cross_entropy(batch, batch.logits / ((norm + _SHIFT) * self.tau))
