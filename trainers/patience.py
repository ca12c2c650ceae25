"""Waiting until a passing error of a shared folder has passed; no torch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from trainers.errors import FolderAwayError, Preempted
from trainers.passing import is_passing

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 3600.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_LAST_PAUSE_SECONDS: Final = 30.0
_GLANCE_SECONDS: Final = 0.2

T = TypeVar("T")


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Patience:
    """How long to try again what fails for a passing reason: after a second first, then after twice as long each time.

    Attributes:
        seconds: from the first failure on; 0: one try.
        is_stopped: says that there is no more time; then there is one last try.
        tell: is told, in one line, what is waited for.
    """

    seconds: float = PATIENCE_SECONDS
    is_stopped: Callable[[], bool] = _never
    tell: Callable[[str], None] = log.warning

    def retry(self, what: str, action: Callable[[], T]) -> T:
        """What `action` returns, as soon as it does.

        Args:
            what: is waited for.
            action: may be called again after it has failed anywhere.

        Raises:
            FolderAwayError: it still failed when the time was over.
            Preempted: it still failed when `is_stopped`.
            OSError: it failed for a reason that does not pass.
        """
        began, pause = time.monotonic(), _FIRST_PAUSE_SECONDS
        while True:
            is_last = self.is_stopped()
            try:
                return action()
            except OSError as error:
                if not is_passing(error):
                    raise
                if is_last:
                    raise Preempted from error
                left = began + self.seconds - time.monotonic()
                if self.seconds <= 0:
                    raise
                if left <= 0:
                    raise FolderAwayError(what, error, self.seconds) from error
                self.tell(f"waiting for {what}: {error}; next try in {pause:.0f} s, for {left:.0f} s at most")
            self._wait(min(pause, left))
            pause = min(2 * pause, _LAST_PAUSE_SECONDS)

    def _wait(self, seconds: float) -> None:
        """Sleep, but not through a request to stop: its handler only sets a flag."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.is_stopped():
            time.sleep(min(left, _GLANCE_SECONDS))


ONE_TRY: Final = Patience(seconds=0.0)
