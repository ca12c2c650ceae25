"""Maximum mean calibration error beside cross entropy."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss

_WIDTH: Final = 0.4
_UNDER_ROOT: Final = 1e-10
_REFERENCE_SHIFT: Final = 1e-5  # that the published code adds to the second division


class MMCE(Loss):
    """Cross entropy + lam * MMCE of the batch, over all pairs of its samples.

    With r the confidence of the predicted class, a whether it is right (a constant), k = exp(-|r_i - r_j| / 0.4), m
    right and n wrong samples, the squares of the three variants are

    - `plain`: sum_ij (a_i - r_i)(a_j - r_j) k / N^2, in which a - r is a constant;
    - `weighted`: sum over right pairs of (1 - r_i)(1 - r_j) k / m^2, plus over wrong pairs of r_i r_j k / n^2, less 2
      times over mixed pairs of (1 - r_i) r_j k / (m n); 0 where all are right, or all wrong;
    - `reference_quirk`: `weighted` with each of the three sums divided again, by m^2 + 1e-5, n^2 + 1e-5, m n + 1e-5,
      as in the authors' and every later code; what published numbers are.

    A batch in parts, or on several ranks, is as many batches.

    Args:
        variant: `weighted`, `plain` or `reference_quirk`.
        lam: of the root, at least 0.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Kumar et al., ICML 2018, eq. 5 and section 3; lam as in torrvision/focal_calibration.
    """

    needs_one_label = True

    def __init__(self, *, variant: str = "weighted", lam: float = 2.0) -> None:
        super().__init__()
        self.variant, self.lam = variant, lam

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        return F.cross_entropy(batch.logits, batch.targets) + self.lam * self.error(batch.logits, batch.targets)

    def error(self, logits: Tensor, targets: Tensor) -> Tensor:
        """MMCE of logits (N, C), () float."""
        log_probs = F.log_softmax(logits, dim=1)
        right = (log_probs.argmax(dim=1) == targets).to(log_probs.dtype)
        confidence = torch.exp(log_probs.amax(dim=1))
        kernel = torch.exp(-(confidence.unsqueeze(1) - confidence).abs() / _WIDTH)
        if self.variant == "plain":
            residual = (right - confidence).detach()
            return _root(_paired(residual, kernel, residual) / len(residual) ** 2)
        wrong = 1 - right
        # Where there is none of either the sums are 0, and the error is not looked at.
        m, n = right.sum().clamp(min=1), wrong.sum().clamp(min=1)
        sure, unsure = wrong * confidence, right * (1 - confidence)
        both, neither, mixed = m.square(), n.square(), m * n
        shift = _REFERENCE_SHIFT
        again = (both + shift, neither + shift, mixed + shift) if self.variant == "reference_quirk" else (1, 1, 1)
        square = (
            _paired(unsure, kernel, unsure) / both / again[0]
            + _paired(sure, kernel, sure) / neither / again[1]
            - 2 * _paired(unsure, kernel, sure) / mixed / again[2]
        )
        has_both = (right.sum() > 0) & (wrong.sum() > 0)
        return torch.where(has_both, _root(square), torch.zeros_like(square))


def _paired(one: Tensor, kernel: Tensor, other: Tensor) -> Tensor:
    return (one.unsqueeze(1) * kernel * other).sum()


def _root(square: Tensor) -> Tensor:
    return torch.sqrt(square.clamp(min=0) + _UNDER_ROOT)
