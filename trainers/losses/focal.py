"""Focal loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.errors import SpecError
from trainers.losses.base import Batch, Loss


class Focal(Loss):
    """Cross entropy that fades as a sample becomes easy: mean_i (1 - p_y)^gamma * (-log p_y).

    log(1 - p_y) is taken as logsumexp over the other classes minus logsumexp over all, so that value and gradient stay
    finite where p_y rounds to 1; (1 - p_y)**gamma has a NaN gradient there.

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
        own = F.one_hot(batch.targets, batch.logits.shape[1]).bool()
        log_others = torch.logsumexp(batch.logits.masked_fill(own, float("-inf")), dim=1)
        log_all = torch.logsumexp(batch.logits, dim=1)
        log_probs = F.log_softmax(batch.logits, dim=1)
        nll = -log_probs.masked_fill(~own, 0.0).sum(dim=1)
        return (torch.exp(self.gamma * (log_others - log_all)) * nll).mean()
