"""What every loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Watched:
    """What a loss has to tell after it was shown the validation split.

    Attributes:
        columns: of this epoch's row in metrics.csv.
        table: rows for the loss's own table, `Loss.table_name`.
    """

    columns: Mapping[str, float] = field(default_factory=dict)
    table: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True)
class MetaBatch:
    """What a loss learns its own parameters from, with a step of the head looked ahead; nothing of it has a gradient.

    Attributes:
        features: of the training batch, in training mode, (N, D).
        targets: its labels, (N,) int64.
        val_features: of a batch of the validation split, in evaluation mode, (V, D).
        val_targets: its labels, (V,) int64.
        head: features -> logits.
        rate: the learning rate of the coming step.
    """

    features: Tensor
    targets: Tensor
    val_features: Tensor
    val_targets: Tensor
    head: nn.Module
    rate: float


class Loss(nn.Module, ABC):
    """Base of the losses; a subclass says the mean loss of a batch.

    What a loss gathers from batch to batch lies in its buffers, is written into them in place, and is part of a
    checkpoint. It does not look at numbers on the host, which a GPU would be waited for.

    Attributes:
        needs_features: whether the trainer has to hand over the features behind the logits.
        needs_epoch: whether it changes with the epoch; a trainer tells it to nobody else.
        watches_val: whether it is to be shown the validation split after each epoch (`watch`).
        table_name: file of what `watch` returns as a table, beside metrics.csv.
        meta_params: what `learn` looks ahead with: `head`, or `all`: then a `MetaBatch` holds images in place of
            features and the whole network in place of the head.
        meta_every: at every so many-th step it is given a `MetaBatch` (`learn`); 0: never.
    """

    needs_features: ClassVar[bool] = False
    needs_epoch: ClassVar[bool] = False
    watches_val: ClassVar[bool] = False
    table_name: ClassVar[str] = ""
    meta_params: str = "head"
    meta_every: int = 0

    def watch(self, logits: Tensor, targets: Tensor, epoch: int) -> Watched:
        """Look at the validation split after an epoch.

        Args:
            logits: (V, C) float32, on the CPU.
            targets: (V,) int64, on the CPU.
            epoch: the one that has just ended, from 0.
        """
        raise NotImplementedError

    def learn(self, batch: MetaBatch) -> None:
        """Change the loss's own parameters before the training batch is used."""
        raise NotImplementedError

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
