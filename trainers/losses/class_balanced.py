"""Cross entropy and focal loss with classes weighted by their effective number of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from trainers.losses.base import Batch, Loss
from trainers.losses.ce import cross_entropy
from trainers.losses.focal import focal_mean
from trainers.rules.weights import effective_number_weights


class _ClassBalanced(Loss):
    """A loss that has its own class weights, and so heeds no others."""

    own_weights: Tensor

    def __init__(self, class_counts: Sequence[int], beta: float) -> None:
        super().__init__()
        self.register_buffer("own_weights", effective_number_weights(class_counts, beta), persistent=False)

    def weighted(self, batch: Batch) -> Batch:
        """The batch with the weights."""
        return replace(batch, class_weights=self.own_weights)


class ClassBalancedCrossEntropy(_ClassBalanced):
    """Cross entropy, its mean weighted by effective number: sum_i w_y (-log p_y) / sum_i w_y.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        beta: in [0, 1); 0 is cross entropy.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Cui et al., CVPR 2019, eq. 4 and 6; the mean is that of torch's `cross_entropy(weight=...)`.
    """

    def __init__(self, class_counts: Sequence[int], *, beta: float = 0.9999) -> None:
        super().__init__(class_counts, beta)

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        return cross_entropy(self.weighted(batch), batch.logits)


class ClassBalancedFocal(_ClassBalanced):
    """Focal loss, its terms weighted by effective number: mean_i w_y (1 - p_y)^gamma (-log p_y), w of mean 1.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        beta: in [0, 1); 0 is `focal`.
        gamma: at least 0.
        form: `softmax`, or `sigmoid`, which is the source's: a binary term a class, summed.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: Cui et al., CVPR 2019, eq. 12, divided by the samples, as zhangyongshun/BagofTricks-LT.
    """

    def __init__(
        self, class_counts: Sequence[int], *, beta: float = 0.9999, gamma: float = 0.5, form: str = "softmax"
    ) -> None:
        super().__init__(class_counts, beta)
        self.gamma, self.form = gamma, form

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        return focal_mean(self.weighted(batch), self.gamma, self.form)
