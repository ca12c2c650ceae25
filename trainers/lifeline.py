"""A process that must not outlive its parent: the kernel kills it when the parent dies. Standard library only.

Also a command, for programs that cannot call this themselves: `python -m trainers.lifeline PARENT_PID COMMAND ...`
becomes COMMAND (the setting survives exec).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "ORCH_PARENT_PID"
_PR_SET_PDEATHSIG = 1
_EXIT_ORPHANED = 1


def die_with_parent(expected_parent: int | None = None) -> None:
    """Ask the kernel to SIGKILL this process when the thread that started it ends; exit now if that has happened.

    Linux only: elsewhere nothing is asked for. The parent may have died before the kernel was asked, which the kernel
    does not report; with the parent's pid known, that is found out here.

    Args:
        expected_parent: pid of the process that started this one; None: what it is at the time of the call.
    """
    parent = os.getppid() if expected_parent is None else expected_parent
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(_EXIT_ORPHANED)


def parent_from_environment() -> int | None:
    """The pid in ORCH_PARENT_PID, if it speaks of this process.

    A rank inherits the variable from the launcher between it and the worker, for which it was meant.
    """
    value = os.environ.get(PARENT_VARIABLE, "")
    return int(value) if value.isdecimal() and "LOCAL_RANK" not in os.environ else None


def main() -> None:
    """Become the command of the arguments, tied to the parent named by the first one."""
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
