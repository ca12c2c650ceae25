"""What every train rule is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from trainers.losses.base import Loss, Watched


class Rule(nn.Module):
    """Base of the rules, and the rule `none`: by what weights, with which sampler and loss an epoch is trained.

    What a rule has learned lies in its buffers and is part of a checkpoint; what follows from the spec is not.

    Args:
        weights: of the classes, (C,); None: all alike.
        learns: whether the weights are learned.

    Attributes:
        watches_train: whether it is shown the training split after each epoch.
        table_name: file of what `watch` returns as a table, beside metrics.csv.
    """

    watches_train: ClassVar[bool] = False
    table_name: ClassVar[str] = ""

    weights: Tensor | None

    def __init__(self, weights: Tensor | None = None, *, learns: bool = False) -> None:
        super().__init__()
        self.register_buffer("weights", None if weights is None else weights.float(), persistent=learns)

    @property
    def class_weights(self) -> Tensor | None:
        """What each class's terms are multiplied by, (C,) float32; None: all alike.

        The same tensor for ever, written in place: a recorded step goes on reading it.
        """
        return self.weights

    def begin_epoch(self, epoch: int) -> None:
        """Be what the rule is in this epoch, from 0, whichever came before."""

    def sampler(self, sampler: Mapping[str, Any], epoch: int) -> Mapping[str, Any]:  # noqa: ARG002  the base keeps it
        """By which sampler an epoch, from 0, is drawn, given the spec's."""
        return sampler

    def wrapped(self, loss: Loss) -> Loss:
        """The loss as this rule has it trained.

        Raises:
            SpecError: the rule cannot be used with this loss.
        """
        return loss

    def watch(self, logits: Tensor, targets: Tensor, loss: Loss, epoch: int) -> Watched:  # noqa: ARG002  learns nothing
        """Look at the training split after an epoch.

        Args:
            logits: in evaluation mode, without augmentation, (N, C) float32, on the CPU.
            targets: (N,) int64, on the CPU.
            loss: what is trained with, on the rule's device.
            epoch: the one that has just ended, from 0.
        """
        return Watched()
