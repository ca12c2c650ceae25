"""Cross entropy of transformed logits: what most losses for long tails are."""

from __future__ import annotations

from torch import Tensor, nn

from trainers.losses.base import Batch, Loss
from trainers.losses.ce import cross_entropy
from trainers.losses.transforms import Transform


class TransformedCrossEntropy(Loss):
    """Cross entropy of the logits as the transforms leave them, one after another; class weights as in `ce`.

    Args:
        transforms: in their order; none is plain cross entropy.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    """

    takes_weights = True

    def __init__(self, *transforms: Transform) -> None:
        super().__init__()
        self.transforms = nn.ModuleList(transforms)

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        logits = batch.logits
        for transform in self.transforms:
            logits = transform(logits, batch)
        return cross_entropy(batch, logits)
