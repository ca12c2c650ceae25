"""A process that must not outlive its parent: the kernel kills it when the parent dies. Linux only, no torch."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_EXIT_ORPHANED: Final = 1
# Loaded here, not at the call: that may stand between fork and exec, where nothing is to be loaded.
_libc: Final = ctypes.CDLL(None, use_errno=True)


def die_with_parent(expected_parent: int | None = None) -> None:
    """Ask the kernel to SIGKILL this process when the thread that started it ends; exit now if that has happened.

    The parent may have died before the kernel was asked, which the kernel does not report; with the parent's pid known,
    that is found out here. The setting survives exec.

    Args:
        expected_parent: pid of the process that started this one; None: what it is at the time of the call.
    """
    parent = os.getppid() if expected_parent is None else expected_parent
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(_EXIT_ORPHANED)
