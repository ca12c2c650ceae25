"""Label-aware smoothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.losses.base import Batch, Loss
from trainers.losses.label_smoothing import smoothing_terms
from trainers.losses.transforms import counts_of


def class_smoothing(class_counts: Sequence[int], head: float, tail: float, form: str, power: float) -> Tensor:
    """How much of its target each class leaves to all classes, (C,) float64: `head` at n_max, `tail` at n_min.

    Between them by r = (n - n_min) / (n_max - n_min): sin(pi r / 2) (`concave`), r (`linear`), 1 - cos(pi r / 2)
    (`convex`) or r^power (`exp`). Where all classes are alike: `head`.

    Source: Zhong et al., CVPR 2021, eq. 4 to 6; dvlab-research/MiSLAS.
    """
    counts = counts_of(class_counts)
    least, most = counts.min(), counts.max()
    ratio = (counts - least) / (most - least) if most > least else torch.ones_like(counts)
    shape = {
        "concave": torch.sin(math.pi / 2 * ratio),
        "linear": ratio,
        "convex": 1 - torch.cos(math.pi / 2 * ratio),
        "exp": ratio**power,
    }[form]
    return tail + (head - tail) * shape


class LabelAwareSmoothing(Loss):
    """Label smoothing by class: mean_i (1 - eps_y) (-log p_y) + eps_y mean_j(-log p_j).

    The larger classes are smoothed the more, being those that a network is overconfident of.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        smooth_head: eps of the largest class, in [0, 1).
        smooth_tail: eps of the smallest class, in [0, 1).
        form: how it goes between them: `concave`, `linear`, `convex` or `exp`.
        power: of `exp`.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Zhong et al., CVPR 2021, eq. 3 to 6; same values as dvlab-research/MiSLAS.
    """

    takes_weights = True

    smoothing: Tensor

    def __init__(
        self,
        class_counts: Sequence[int],
        *,
        smooth_head: float = 0.4,
        smooth_tail: float = 0.1,
        form: str = "concave",
        power: float = 2.0,
    ) -> None:
        super().__init__()
        smoothing = class_smoothing(class_counts, smooth_head, smooth_tail, form, power)
        self.register_buffer("smoothing", smoothing, persistent=False)

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        eps = self.smoothing.to(batch.logits.dtype)[batch.targets]
        return batch.weighted_mean(smoothing_terms(F.log_softmax(batch.logits, dim=1), batch.targets, eps))
