"""LADE: balanced softmax, and a bound of how far each logit is from the log ratio that it stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from trainers.losses.base import Batch, Loss
from trainers.losses.ce import cross_entropy
from trainers.losses.label_probs import is_label
from trainers.losses.transforms import counts_of

_PRIOR_SHIFT: Final = 1e-9
_COUNT_SHIFT: Final = 1e-8


class LADE(Loss):
    """Cross entropy of z + log pi, + alpha * R; pi the classes' shares of the training images.

    R = -sum_c pi_c (T1_c - T2_c - remine_lambda T2_c^2). T1_c is the mean z_ic over the batch's images of class c, 0
    where there is none. T2_c is the log of the mean over all images of exp(z_ic) / (C pi_c). A batch in parts, or on
    several ranks, is as many batches. Class weights are those of the cross entropy; R weighs classes by itself.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        alpha: of R, at least 0; 0 is `bsce`.
        remine_lambda: at least 0.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Hong et al., CVPR 2021, eq. 8 to 12; same values as hyperconnect/LADE.
    """

    takes_weights = True
    needs_one_label = True
    may_be_negative = True

    shares: Tensor
    log_shares: Tensor

    def __init__(self, class_counts: Sequence[int], *, alpha: float = 0.1, remine_lambda: float = 0.01) -> None:
        super().__init__()
        self.alpha, self.remine_lambda = alpha, remine_lambda
        counts = counts_of(class_counts)
        shares = counts / counts.sum()
        # Not part of a checkpoint: the spec says them.
        self.register_buffer("shares", shares, persistent=False)
        self.register_buffer("log_shares", (shares + _PRIOR_SHIFT).log(), persistent=False)

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        shifted = batch.logits + self.log_shares.to(batch.logits.dtype)
        return cross_entropy(batch, shifted) + self.alpha * self.regulariser(batch.logits, batch.targets)

    def regulariser(self, logits: Tensor, targets: Tensor) -> Tensor:
        """R of logits (N, C), () float."""
        count, num_classes = logits.shape
        own = is_label(targets, num_classes).to(logits.dtype)
        joint = (own * logits).sum(dim=0) / (own.sum(dim=0) + _COUNT_SHIFT)
        log_uniform = math.log(1 / num_classes + _PRIOR_SHIFT)
        log_ratios = logits - (self.log_shares - log_uniform).to(logits.dtype)
        marginal = torch.logsumexp(log_ratios, dim=0) - math.log(count)
        bound = joint - marginal - self.remine_lambda * marginal.square()
        return -(self.shares.to(logits.dtype) * bound).sum()
