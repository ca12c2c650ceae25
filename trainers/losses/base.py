"""What every loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from trainers.errors import SpecError


@dataclass(frozen=True)
class Batch:
    """What a loss may look at.

    Attributes:
        logits: before the softmax, (N, C), float32 or better.
        targets: labels, (N,) int64.
        features: what the head saw, (N, D); None where the caller has none.
        epoch: from 0; None where the caller counts none.
    """

    logits: Tensor
    targets: Tensor
    features: Tensor | None
    epoch: int | None

    def required_features(self) -> Tensor:
        """The features.

        Raises:
            SpecError: there are none.
        """
        if self.features is None:
            raise SpecError("this loss needs the features behind the logits; pass features=")
        return self.features

    def required_epoch(self) -> int:
        """The epoch, from 0.

        Raises:
            SpecError: there is none.
        """
        if self.epoch is None:
            raise SpecError("this loss changes with the epoch; pass epoch=, from 0")
        return self.epoch


class Loss(nn.Module, ABC):
    """Base of the losses; a subclass says the mean loss of a batch.

    What a loss gathers from batch to batch lies in its buffers, is written into them in place, and is part of a
    checkpoint. It does not look at numbers on the host, which a GPU would be waited for.

    Attributes:
        needs_features: whether the trainer has to hand over the features behind the logits.
        needs_epoch: whether it changes with the epoch; a trainer tells it to nobody else.
    """

    needs_features: ClassVar[bool] = False
    needs_epoch: ClassVar[bool] = False

    @abstractmethod
    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""

    def forward(
        self, logits: Tensor, targets: Tensor, features: Tensor | None = None, epoch: int | None = None
    ) -> Tensor:
        """The mean loss of a batch; computed in float32 whatever less the logits come in.

        Args:
            logits: before the softmax, (N, C) float.
            targets: labels, (N,) int64.
            features: what the head saw, (N, D) float.
            epoch: from 0.

        Raises:
            SpecError: the loss needs features or the epoch and did not get them; a ValueError.
        """
        wide = logits if logits.dtype.itemsize >= 4 else logits.float()
        return self.mean(Batch(wide, targets, features, epoch))
