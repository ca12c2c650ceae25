"""Label-distribution-aware margins."""

from __future__ import annotations

from collections.abc import Sequence

from trainers.losses.transformed import TransformedCrossEntropy
from trainers.losses.transforms import Margin


class LDAM(TransformedCrossEntropy):
    """Cross entropy in which the label's logit is scale * m_y less; m_c = max_m (n_c / n_min)^(-1/4).

    The logits are those of the cosine head, scale * cos, so that the margin is one of cosines, and every other reader
    of logits sees one kind of them. The margin is the loss's alone: what is evaluated has none.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        max_m: the margin of the smallest class, at least 0; 0 is cross entropy.
        scale: that of the head, above 0.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Cao et al., NeurIPS 2019, eq. 10 and 13; same values as kaidic/LDAM-DRW, whose head leaves the scale to the
        loss.
    """

    def __init__(self, class_counts: Sequence[int], *, max_m: float = 0.5, scale: float = 30.0) -> None:
        super().__init__(Margin(class_counts, max_m, scale))
