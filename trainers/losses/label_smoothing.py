"""Label smoothing, in either convention."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss


def smoothing_terms(log_probs: Tensor, targets: Tensor, eps: float | Tensor) -> Tensor:
    """(1 - eps) (-log p_y) + eps mean_j(-log p_j) of each sample, (N,); eps one for all or (N,)."""
    nll = F.nll_loss(log_probs, targets, reduction="none")
    return (1 - eps) * nll - eps * log_probs.mean(dim=1)


class LabelSmoothing(Loss):
    """Cross entropy against a target that leaves eps to the classes: all of them, or all but the label.

    `uniform`: (1 - eps) e_y + eps / C; torch's own. `exclusive`: 1 - eps on y and eps / (C - 1) on each other class,
    which is `uniform` with eps * C / (C - 1). Class weights are those of
    the label, whatever a target leaves to other classes.

    Args:
        num_classes: C, at least 2.
        eps: in [0, 1); 0 is cross entropy.
        convention: `uniform` or `exclusive`.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Szegedy et al., CVPR 2016, section 7; Mueller et al., NeurIPS 2019 (`uniform`); seed 002 (`exclusive`).
    """

    takes_weights = True

    def __init__(self, num_classes: int, *, eps: float = 0.05, convention: str = "uniform") -> None:
        super().__init__()
        self._uniform_eps = eps if convention == "uniform" else eps * num_classes / (num_classes - 1)

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        # Not torch's `label_smoothing`, which refuses more than 1: `exclusive` reaches it where eps is near 1.
        log_probs = F.log_softmax(batch.logits, dim=1)
        if not batch.is_plain:
            return batch.weighted_mean(smoothing_terms(log_probs, batch.targets, self._uniform_eps))
        nll = F.nll_loss(log_probs, batch.targets)
        return (1 - self._uniform_eps) * nll - self._uniform_eps * log_probs.mean()
