"""Who a process is on this host, and whether one that claimed something here is no more."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Final

from jobs.records import Claimer

_DEAD: Final = frozenset("ZX")  # zombie, dead: states of a process that only waits to be buried


def boot_id() -> str:
    """Of the running kernel; another after each boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def pid_namespace() -> str:
    """Where this process's pid means something."""
    return os.readlink("/proc/self/ns/pid")  # noqa: PTH115  not a path of any file system


def start_ticks(pid: int | str) -> int | None:
    """When a process started, in ticks after boot; None: it cannot be seen, or it is a zombie."""
    seen = _state_and_start(pid)
    return None if seen is None or seen[0] in _DEAD else seen[1]


def _state_and_start(pid: int | str) -> tuple[str, int] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold blanks and brackets
    return fields[0], int(fields[19])


def claimer(sid: str, lease_seconds: float) -> Claimer:
    """This very process as one that claims."""
    return Claimer(
        sid=sid,
        host=socket.gethostname(),
        boot=boot_id(),
        pidns=pid_namespace(),
        pid=os.getpid(),
        start=start_ticks("self") or 0,
        lease_seconds=lease_seconds,
    )


def is_here(owner: Claimer, me: Claimer) -> bool:
    """Whether `owner` claimed on this host since its last boot, where its pid means something to this process."""
    return (owner.host, owner.boot, owner.pidns) == (me.host, me.boot, me.pidns)


def is_gone(owner: Claimer, me: Claimer) -> bool:
    """Whether `owner` was a process that this one could see, and is no more. False proves nothing.

    In a pid namespace without a /proc of its own another process answers to that number: there only the lease tells.
    """
    if not is_here(owner, me):
        return False
    if os.readlink("/proc/self") != str(os.getpid()):  # noqa: PTH115
        return False
    seen = _state_and_start(owner.pid)
    if seen is None:
        return _is_free(owner.pid)
    return seen[0] in _DEAD or seen[1] != owner.start


def _is_free(pid: int) -> bool:
    """Whether no process has this number: a /proc mounted with hidepid shows nobody else's, the kernel tells."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.ESRCH
    return False
