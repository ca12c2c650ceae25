"""Standard output and error that outlive the file they go to: an attempt's log lies in the shared folder. No torch."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainers.passing import is_passing

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@dataclass
class Lost:
    """What has been lost and not been said yet; output and error share one, as they share a log.

    Attributes:
        count: bytes.
    """

    count: int = 0


class SurvivingLog(io.RawIOBase):
    """A descriptor whose passing errors lose what was to be written, and nothing else.

    Args:
        descriptor: stays open when this is closed.
        lost: counts.
    """

    def __init__(self, descriptor: int, lost: Lost) -> None:
        self._descriptor, self._lost = descriptor, lost

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def write(self, data: ReadableBuffer, /) -> int:
        """Write; what could not be written is counted, and the count said when the file takes something again.

        Raises:
            OSError: for a reason that does not pass.
        """
        try:
            if self._lost.count:
                os.write(self._descriptor, f"[{self._lost.count} bytes of this log were lost]\n".encode())
                self._lost.count = 0
            return os.write(self._descriptor, data)
        except OSError as error:
            if not is_passing(error):
                raise
            count = memoryview(data).nbytes
            self._lost.count += count
            return count


def survive_a_lost_log() -> None:
    """Put `SurvivingLog` under `sys.stdout` and `sys.stderr`: a log that cannot be written must not end training."""
    sys.stdout.flush()
    lost = Lost()
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            io.BufferedWriter(SurvivingLog(stream.fileno(), lost)),
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=True,
        )
        for stream in (sys.stdout, sys.stderr)
    )
