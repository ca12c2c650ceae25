"""MDCA: how far the batch's mean probability of each class lies from its share, beside cross entropy or focal loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss
from trainers.losses.focal import focal_terms
from trainers.losses.label_probs import LabelProbs, is_label


def class_gap(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over classes of |mean_i p_ik - share of the samples that are of class k|, () float."""
    probs = F.softmax(logits, dim=1)
    own = is_label(targets, logits.shape[1])
    return (probs - own.to(probs.dtype)).mean(dim=0).abs().mean()


class MDCA(Loss):
    """Focal loss (cross entropy with gamma 0) + beta * mean_k |mean_i p_ik - mean_i e_ik| over the batch.

    A batch in parts, or on several ranks, is as many batches.

    Args:
        beta: at least 0.
        gamma: of the focal loss, at least 0; the authors' FL+MDCA has 1.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Hebbalaguppe et al., CVPR 2022, eq. 4.
    """

    needs_one_label = True

    def __init__(self, *, beta: float = 1.0, gamma: float = 0.0) -> None:
        super().__init__()
        self.beta, self.gamma = beta, gamma

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        focal = focal_terms(LabelProbs.of(batch.logits, batch.targets), self.gamma).mean()
        return focal + self.beta * class_gap(batch.logits, batch.targets)
