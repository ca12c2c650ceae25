"""`python -m orchestrator.faults.fallible WORDS`: the command `orch WORDS` in which SIGUSR1 raises an exception."""

from __future__ import annotations

import signal
from types import FrameType

from orchestrator.cli import main


class StruckError(RuntimeError):
    """What a worker cannot foresee."""


def _raise(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # once: what it does on its way out is to be seen
    raise StruckError("out of the blue")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _raise)
    main()
