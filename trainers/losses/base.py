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
        class_weights: what a rule multiplies the terms of each class by, (C,); None: nothing.
        shares: how much of each image these labels are, (N,) in 0..1; None: all of it. Where images are mixed, the loss
            is called twice, and the two values are added up.
        batch_targets: labels of the global batch, (M,), where these samples are a part of it; None: they are all of it.
    """

    logits: Tensor
    targets: Tensor
    features: Tensor | None
    epoch: int | None
    class_weights: Tensor | None = None
    shares: Tensor | None = None
    batch_targets: Tensor | None = None

    @property
    def is_plain(self) -> bool:
        """Whether every sample counts alike."""
        return self.class_weights is None and self.shares is None

    def weighted_mean(self, terms: Tensor) -> Tensor:
        """The mean of terms (N,), () float, in which the scale of the class weights cancels: sum(s w t) / sum(w).

        As torch's `cross_entropy(weight=...)` does it. Of a part of a batch it is divided by the mean weight of the
        whole, so that the parts' means have the mean of the whole, on any number of ranks. Shares of labels do not
        enter what it is divided by, which is that of whole images.
        """
        if self.class_weights is None:
            return self.counted_mean(terms)
        whole = self.targets if self.batch_targets is None else self.batch_targets
        return self.counted_mean(terms) / self.class_weights.to(terms.dtype)[whole].mean()

    def counted_mean(self, terms: Tensor) -> Tensor:
        """The mean of terms (N,), () float, in which the scale of the class weights stays: sum(s w t) / N."""
        terms = self._shared(terms)
        return (
            terms if self.class_weights is None else terms * self.class_weights.to(terms.dtype)[self.targets]
        ).mean()

    def _shared(self, terms: Tensor) -> Tensor:
        return terms if self.shares is None else terms * self.shares.to(terms.dtype)

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
        takes_weights: whether `mean` heeds class weights.
        may_be_negative: whether its value may fall below 0.
        needs_one_label: whether it is no mean of terms that belong to an image each; it heeds no shares then.
        watches_val: whether it is to be shown the validation split after each epoch (`watch`).
        table_name: file of what `watch` returns as a table, beside metrics.csv.
        meta_params: what `learn` looks ahead with: `head`, or `all`: then a `MetaBatch` holds images in place of
            features and the whole network in place of the head.
        meta_every: at every so many-th step it is given a `MetaBatch` (`learn`); 0: never.
    """

    needs_features: ClassVar[bool] = False
    needs_epoch: ClassVar[bool] = False
    takes_weights: ClassVar[bool] = False
    may_be_negative: ClassVar[bool] = False
    needs_one_label: ClassVar[bool] = False
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

    def forward(  # noqa: PLR0913
        self,
        logits: Tensor,
        targets: Tensor,
        features: Tensor | None = None,
        epoch: int | None = None,
        *,
        class_weights: Tensor | None = None,
        shares: Tensor | None = None,
        batch_targets: Tensor | None = None,
    ) -> Tensor:
        """The mean loss of a batch; computed in float32 whatever less the logits come in.

        Args:
            logits: before the softmax, (N, C) float.
            targets: labels, (N,) int64.
            features: what the head saw, (N, D) float.
            epoch: from 0.
            class_weights: of a rule, (C,) float.
            shares: of these labels in mixed images, (N,) float.
            batch_targets: labels of the batch that this is a part of, (M,) int64.

        Raises:
            SpecError: the loss needs features or the epoch and did not get them, or got weights or shares that it does
                not heed; a ValueError.
        """
        if class_weights is not None and not self.takes_weights:
            raise SpecError("this loss heeds no class weights; leave out class_weights=")
        if shares is not None and self.needs_one_label:
            raise SpecError("this loss needs one label an image; leave out shares=")
        wide = logits if logits.dtype.itemsize >= 4 else logits.float()
        if features is not None and features.dtype.itemsize < 4:
            features = features.float()
        return self.mean(Batch(wide, targets, features, epoch, class_weights, shares, batch_targets))
