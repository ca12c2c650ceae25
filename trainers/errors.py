"""What may end an attempt, each kind with a type of its own; no torch."""

from __future__ import annotations

from typing import Final

EXIT_PREEMPTED: Final = 75  # of an attempt that was told to stop and has saved, or of a program that says so


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
        self.last_good = ""  # of checkpoints, as a person would look for it

    def __str__(self) -> str:
        good = f"; the last good checkpoint: {self.last_good}" if self.last_good else ""
        where = f"at epoch {self.epoch}, step {self.step}"
        return f"the {self.what} stopped being finite {where}; try a smaller train.lr{good}"


class DeviceMemoryError(MemoryError):
    """The device has not as much memory as a step takes.

    Args:
        where: what was being done.
        peak_bytes: taken at most.
        total_bytes: that the device has.
        epoch, step: from 1; None before the first.
    """

    def __init__(
        self, where: str, peak_bytes: int, total_bytes: int, epoch: int | None = None, step: int | None = None
    ) -> None:
        super().__init__(where, peak_bytes, total_bytes, epoch, step)
        self.where, self.peak_memory_bytes, self.total_bytes = where, peak_bytes, total_bytes
        self.epoch, self.step = epoch, step

    def __str__(self) -> str:
        return (
            f"out of memory {self.where}: {self.peak_memory_bytes / 2**30:.2f} GiB of {self.total_bytes / 2**30:.2f} "
            "were taken at the peak; use a smaller train.batch_size, or train.accumulate to compute it in parts"
        )


class FolderAwayError(OSError):
    """A shared folder failed for a passing reason, and did so for longer than an attempt waits.

    Args:
        what: was to be written or read.
        error: the last one; its `errno` and `filename` are this one's too.
        seconds: how long it was waited for.
    """

    def __init__(self, what: str, error: OSError, seconds: float) -> None:
        super().__init__(error.errno, error.strerror, error.filename)
        self.what, self.seconds = what, seconds

    def __str__(self) -> str:
        return f"waited {self.seconds:.0f} s in vain for {self.what}: {super().__str__()}"


class Preempted(BaseException):
    """This attempt is to stop and may go on elsewhere: SIGTERM, SIGINT, or a folder that stayed away.

    Not an error, so `except Exception` lets it through.
    """

    def __str__(self) -> str:
        return super().__str__() or "asked to stop"
