"""What training alone does to the logits before the criterion sees them: shifts, scales and margins by class.

A transform is called with logits (N, C) and the batch, and gives logits (N, C). The network's own logits, which are
those of a balanced test set, have none of it. Constants are kept in double, so that double logits lose nothing, and are
no part of a checkpoint: the spec says them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from trainers.losses.base import Batch
from trainers.losses.label_probs import is_label

_NORM_SHIFT: Final = 1e-12


def counts_of(class_counts: Sequence[int]) -> Tensor:
    """Training images per class, (C,) float64."""
    return torch.as_tensor(class_counts, dtype=torch.float64)


class Transform(nn.Module, ABC):
    """Base of the transforms: (logits (N, C) float, batch) -> logits (N, C)."""

    @abstractmethod
    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """The logits that the criterion sees, (N, C)."""


class Prior(Transform):
    """z_j + tau log n_j; as good as the log of the class's share, of which it differs by the same for all classes.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        tau: what the logs are multiplied by.

    Source: Menon et al., ICLR 2021, eq. 10; with tau 1 Ren et al., NeurIPS 2020, eq. 4.
    """

    shift: Tensor

    def __init__(self, class_counts: Sequence[int], tau: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("shift", tau * counts_of(class_counts).log(), persistent=False)

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002  of no sample its own
        """The shifted logits, (N, C)."""
        return logits + self.shift.to(logits.dtype)


class ScaleByCount(Transform):
    """z_j (n_j / n_max)^gamma: small classes have to reach further.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        gamma: 0 changes nothing.

    Source: Ye et al., arXiv 2001.01385 (class-dependent temperatures); Kini et al., NeurIPS 2021.
    """

    scale: Tensor

    def __init__(self, class_counts: Sequence[int], gamma: float) -> None:
        super().__init__()
        counts = counts_of(class_counts)
        self.register_buffer("scale", (counts / counts.max()) ** gamma, persistent=False)

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002  of no sample its own
        """The scaled logits, (N, C)."""
        return logits * self.scale.to(logits.dtype)


class Margin(Transform):
    """z_y - scale m_y, the other logits as they are; m_c = max_m (n_c / n_min)^(-1/4).

    Args:
        class_counts: training images per class, (C,), each at least 1.
        max_m: the margin of the smallest class, in cosines.
        scale: what the head has multiplied its cosines by.

    Source: Cao et al., NeurIPS 2019, eq. 10 and 13.
    """

    margins: Tensor

    def __init__(self, class_counts: Sequence[int], max_m: float, scale: float) -> None:
        super().__init__()
        counts = counts_of(class_counts)
        self.register_buffer("margins", scale * max_m * (counts / counts.min()) ** -0.25, persistent=False)

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """The logits with a margin off that of the label, (N, C)."""
        own = is_label(batch.targets, logits.shape[1])
        return logits - own.to(logits.dtype) * self.margins.to(logits.dtype)


class FeatureNorm(Transform):
    """z_j - a(e) lam s_j / |f|: the less a class has, the more it gains by features of a large norm.

    s_j = (log n_max - log n_j) / (log n_max - log n_min), 0 where all classes are alike. At epoch e (from 0) of E the
    curve a is (e / (E - l))^2 (`parabolic`), e / (E - l) (`linear`) or 1 (`constant`), l being `late_epochs`; it passes
    1 in the last l - 1 epochs. The gradient goes through the norm, which is what the method trains by.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        epochs: E, of the whole run; more than `late_epochs`.
        lam: how strong.
        curve: `parabolic`, `linear` or `constant`.
        late_epochs: l.

    Source: Li et al., ICME 2022, eq. 4 to 6, and juyongjiang/FBL, whose code has the curve.
    """

    smallness: Tensor

    def __init__(self, class_counts: Sequence[int], epochs: int, lam: float, curve: str, late_epochs: int) -> None:
        super().__init__()
        below = counts_of(class_counts).log()
        below = below.max() - below
        most = below.max()
        self.register_buffer("smallness", below / most if most > 0 else below, persistent=False)
        self.full_at, self.lam, self.curve = epochs - late_epochs, lam, curve

    def strength(self, epoch: int) -> float:
        """a(e), of an epoch from 0."""
        if self.curve == "constant":
            return 1.0
        progress = epoch / self.full_at
        return progress if self.curve == "linear" else progress**2

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """The logits, less what the norms of the features leave of the classes' handicap, (N, C)."""
        handicap = self.strength(batch.required_epoch()) * self.lam * self.smallness.to(logits.dtype)
        norms: Tensor = torch.linalg.vector_norm(batch.required_features(), dim=1, keepdim=True).to(logits.dtype)
        shifted: Tensor = logits - handicap / (norms + _NORM_SHIFT)
        return shifted
