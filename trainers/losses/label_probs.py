"""The probability of the right class, of all others together, and of the next below: as logs, which stay exact.

With p = softmax(z) computed first, 1 - p_y is 0 from a logit gap of 17 on in float32, and a power of it has a NaN
gradient there. Its logarithm is a logsumexp over the other classes, finite in value and gradient for every finite z.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


def is_label(targets: Tensor, num_classes: int) -> Tensor:
    """Whether a class is the label, (N, C) bool, of labels (N,) int64; unlike `one_hot`, no scatter."""
    return targets.unsqueeze(1) == torch.arange(num_classes, device=targets.device)


@dataclass(frozen=True)
class LabelProbs:
    """Log-probabilities, and which of them are the labels'.

    Attributes:
        log_probs: (N, C).
        own: whether a class is the label, (N, C) bool.
        nll: -log p_y, (N,).
    """

    log_probs: Tensor
    own: Tensor
    nll: Tensor

    @classmethod
    def of(cls, logits: Tensor, targets: Tensor) -> LabelProbs:
        """From logits (N, C) and labels (N,) int64."""
        log_probs = F.log_softmax(logits, dim=1)
        # A label out of range is refused by nll_loss.
        return cls(log_probs, is_label(targets, logits.shape[1]), F.nll_loss(log_probs, targets, reduction="none"))

    def log_rest(self) -> Tensor:
        """The log of 1 - p_y, (N,); of at least two classes."""
        return torch.logsumexp(self.log_probs.masked_fill(self.own, float("-inf")), dim=1)

    def log_next_below(self) -> Tensor:
        """The log of q, (N,): q is the largest probability strictly below p_y; -inf where there is none."""
        is_below = self.log_probs < -self.nll.detach().unsqueeze(1)
        return self.log_probs.masked_fill(~is_below, float("-inf")).amax(dim=1)
