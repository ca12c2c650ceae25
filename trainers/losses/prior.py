"""Cross entropy of logits that are scaled and shifted by how many images a class has."""

from __future__ import annotations

from collections.abc import Sequence

from trainers.losses.transformed import TransformedCrossEntropy
from trainers.losses.transforms import Prior, ScaleByCount, Transform


class VectorScaling(TransformedCrossEntropy):
    """Cross entropy of (n_j / n_max)^gamma z_j + tau log n_j.

    Only training sees scale and shift; the network's own logits are those of a balanced test set.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        gamma: at least 0; 0 is `logit_adjusted`.
        tau: 0 is `cdt`.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Kini et al., NeurIPS 2021, eq. 2.
    """

    def __init__(self, class_counts: Sequence[int], *, gamma: float = 0.3, tau: float = 1.0) -> None:
        transforms: list[Transform] = [ScaleByCount(class_counts, gamma)] if gamma else []
        super().__init__(*transforms, *([Prior(class_counts, tau)] if tau else []))


class BalancedSoftmax(VectorScaling):
    """Cross entropy of logits shifted by the log class counts: mean_i -log softmax(z_i + log n)[y_i].

    Args:
        class_counts: training images per class, (C,), each at least 1.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Ren et al., NeurIPS 2020, eq. 4; same values as jiawei-ren/BalancedMetaSoftmax-Classification.
    """

    def __init__(self, class_counts: Sequence[int]) -> None:
        super().__init__(class_counts, gamma=0.0, tau=1.0)


class LogitAdjusted(VectorScaling):
    """Cross entropy of logits shifted by tau times the log class counts.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        tau: 1 is `bsce`, 0 cross entropy.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Menon et al., ICLR 2021, eq. 10.
    """

    def __init__(self, class_counts: Sequence[int], *, tau: float = 1.0) -> None:
        super().__init__(class_counts, gamma=0.0, tau=tau)


class ClassDependentTemperatures(VectorScaling):
    """Cross entropy of (n_j / n_max)^gamma z_j.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        gamma: at least 0; 0 is cross entropy.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Ye et al., arXiv 2001.01385.
    """

    def __init__(self, class_counts: Sequence[int], *, gamma: float = 0.2) -> None:
        super().__init__(class_counts, gamma=gamma, tau=0.0)
