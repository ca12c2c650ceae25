"""Rules that hold from some epoch on; until then training is plain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainers.catalogue.deferral import switch_epoch
from trainers.errors import SpecError
from trainers.losses.base import Batch, Loss
from trainers.losses.ce import cross_entropy
from trainers.rules.rule import Rule
from trainers.rules.weights import effective_number_weights, inverse_weights, sqrt_inverse_weights


class DeferredWeights(Rule):
    """All classes alike before the switch, then weighted by their counts (DRW).

    Args:
        class_counts: training images per class, (C,).
        epochs: of the whole run.
        defer: the switch: below 1 a share of the epochs, else an epoch, from 0.
        weights: `effective`, `inverse` or `sqrt_inverse`; each with a mean of 1.
        beta: of `effective`.

    Raises:
        SpecError: it never switches, or a class without images.

    Source: Cao et al., NeurIPS 2019, algorithm 1.
    """

    after: Tensor

    def __init__(
        self,
        class_counts: Sequence[int],
        epochs: int,
        *,
        defer: float = 0.8,
        weights: str = "effective",
        beta: float = 0.9999,
    ) -> None:
        super().__init__(torch.ones(len(class_counts)))
        self._switch = checked_switch(defer, epochs)
        after = {
            "effective": lambda: effective_number_weights(class_counts, beta),
            "inverse": lambda: inverse_weights(class_counts),
            "sqrt_inverse": lambda: sqrt_inverse_weights(class_counts),
        }[weights]()
        self.register_buffer("after", after.float(), persistent=False)

    def begin_epoch(self, epoch: int) -> None:
        """Weigh the classes if the switch is behind."""
        if self.weights is not None:
            self.weights.copy_(self.after if epoch >= self._switch else torch.ones_like(self.after))


class DeferredSampler(Rule):
    """The spec's sampler before the switch, then another one (DRS).

    Args:
        epochs: of the whole run.
        defer: the switch: below 1 a share of the epochs, else an epoch, from 0.
        sampler: what is drawn by from then on; its parameters are the catalogue's.

    Raises:
        SpecError: it never switches.

    Source: Cao et al., NeurIPS 2019.
    """

    def __init__(self, epochs: int, *, defer: float = 0.8, sampler: str = "balanced_rs") -> None:
        super().__init__()
        self._switch, self._later = checked_switch(defer, epochs), {"name": sampler}

    def sampler(self, sampler: Mapping[str, Any], epoch: int) -> Mapping[str, Any]:
        """The given sampler before the switch, the rule's own from it on."""
        return self._later if epoch >= self._switch else sampler


class DeferredLoss(Rule):
    """Cross entropy before the switch, then the loss; no weights.

    Args:
        epochs: of the whole run.
        defer: the switch: below 1 a share of the epochs, else an epoch, from 0.

    Raises:
        SpecError: it never switches.

    Source: Zhang et al., AAAI 2021 (what its tables call "with DRW" for all losses but LDAM).
    """

    def __init__(self, epochs: int, *, defer: float = 0.8) -> None:
        super().__init__()
        self._switch = checked_switch(defer, epochs)

    def wrapped(self, loss: Loss) -> Loss:
        """Cross entropy that becomes this loss.

        Raises:
            SpecError: the loss changes with the validation split, which before the switch would tell it about another
                loss.
        """
        if loss.watches_val or loss.meta_every:
            raise SpecError("a loss that learns from the validation split cannot be deferred; use `rule: none`")
        return Deferred(loss, self._switch)


class Deferred(Loss):
    """Cross entropy before an epoch, then another loss, which it is like in what it needs and heeds.

    Args:
        loss: from the switch on.
        switch: the first epoch of it, from 0.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    """

    needs_epoch: ClassVar[bool] = True

    def __init__(self, loss: Loss, switch: int) -> None:
        super().__init__()
        self.loss, self._switch = loss, switch
        # Of each object its own: a class cannot know which loss will be deferred.
        self.needs_features = loss.needs_features  # type: ignore[misc]
        self.takes_weights = loss.takes_weights  # type: ignore[misc]
        self.needs_one_label = loss.needs_one_label  # type: ignore[misc]

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float.

        Raises:
            SpecError: no epoch is given, or what the loss needs is not.
        """
        if batch.required_epoch() < self._switch:
            return cross_entropy(batch, batch.logits)
        return self.loss.mean(batch)


def checked_switch(defer: float, epochs: int) -> int:
    """The first epoch, from 0, that a deferred rule holds in.

    Raises:
        SpecError: `defer` is neither a share nor an epoch, or the run ends before it.
    """
    try:
        switch = switch_epoch(defer, epochs)
    except ValueError as error:
        raise SpecError(str(error)) from error
    if switch >= epochs:
        latest = f" or an epoch up to {epochs - 1}" if epochs > 1 else ""
        raise SpecError(
            f"defer is {defer:g}, but the last of {epochs} epochs is {epochs - 1}, counted from 0: it never switches; "
            f"give a share of the epochs, such as 0.8,{latest}".removesuffix(",")
        )
    return switch
