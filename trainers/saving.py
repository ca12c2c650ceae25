"""How often a run saves, between epochs and within one; no torch."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Final

from trainers.errors import SpecError

# Epochs of a small network last a second, and a shared folder may take as long for a checkpoint: of the time, at most
# this share goes to saving, but no more than a minute of training is risked for it.
_SHARE: Final = 0.05
_LONGEST_SECONDS: Final = 60.0
_WITHIN_SECONDS: Final = 300.0
SAVE_VARIABLE: Final = "ORCH_SAVE_SECONDS"


def save_seconds() -> float:
    """How much training may be lost within an epoch: ORCH_SAVE_SECONDS, else five minutes.

    Raises:
        SpecError: it is no number.
    """
    asked = os.environ.get(SAVE_VARIABLE, "")
    try:
        return float(asked or _WITHIN_SECONDS)
    except ValueError as error:
        raise SpecError(f"{SAVE_VARIABLE} is {asked!r}; give seconds, such as 300") from error


class SaveClock:
    """Whether the end of an epoch is worth a checkpoint: the first always is."""

    def __init__(self) -> None:
        self._next = 0.0

    def is_due(self) -> bool:
        """Whether enough has been trained since the last checkpoint."""
        return time.monotonic() >= self._next

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Around the writing of a checkpoint, whether it succeeds or not."""
        began = time.monotonic()
        try:
            yield
        finally:
            now = time.monotonic()
            self._next = now + min((now - began) * (1 / _SHARE - 1), _LONGEST_SECONDS)
