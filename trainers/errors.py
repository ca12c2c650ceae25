"""What may end an attempt, each kind with a type of its own; no torch."""

from __future__ import annotations


class SpecError(ValueError):
    """The spec asks for what this trainer cannot do."""


class DataError(ValueError):
    """A data set is missing, incomplete or broken; the message names the file or folder."""


class NonFiniteError(ArithmeticError):
    """Training went beyond all numbers; it would do so again.

    Args:
        what: which numbers are not finite any more: the loss, the logits.
        epoch: from 1.
        step: in that epoch, from 1.
    """

    def __init__(self, what: str, epoch: int, step: int) -> None:
        super().__init__(what, epoch, step)
        self.what, self.epoch, self.step = what, epoch, step

    def __str__(self) -> str:
        return f"the {self.what} stopped being finite at epoch {self.epoch}, step {self.step}; try a smaller train.lr"


class Preempted(BaseException):
    """SIGTERM or SIGINT asked this attempt to stop; not an error, so `except Exception` lets it through."""

    def __str__(self) -> str:
        return "asked to stop"
