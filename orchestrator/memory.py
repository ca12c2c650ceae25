"""Whether the kernel killed something for want of memory: a SIGKILL alone does not tell."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

OUT_OF_MEMORY: Final = "killed while the kernel ended processes for want of memory: ask for less, or run fewer at once"
_STATUSES: Final = frozenset({-signal.SIGKILL, 128 + signal.SIGKILL})  # as its parent sees it, and as a shell tells it


def oom_kills() -> int:
    """How many processes of this host the kernel has killed so far for want of memory, in whatever cgroup."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def is_out_of_memory(status: int, before: int) -> bool:
    """Whether a process that ended so was killed for want of memory, as far as can be known.

    Args:
        status: exit status; negative: the signal that ended it.
        before: `oom_kills()` when it started.
    """
    return status in _STATUSES and oom_kills() > before
