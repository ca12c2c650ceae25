"""Who a process is on this host, and whether one that claimed something here is no more."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from jobs.records import Claimer


def boot_id() -> str:
    """Of the running kernel; another after each boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def pid_namespace() -> str:
    """Where this process's pid means something."""
    return os.readlink("/proc/self/ns/pid")  # noqa: PTH115  not a path of any file system


def start_ticks(pid: int | str) -> int | None:
    """When a process started, in ticks after boot; None: there is none, or it is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold blanks and brackets
    return None if fields[0] in {"Z", "X"} else int(fields[19])


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


def is_gone(owner: Claimer, me: Claimer) -> bool:
    """Whether `owner` was a process that this one could see, and is no more. False proves nothing.

    In a pid namespace without a /proc of its own another process answers to that number: there only the lease tells.
    """
    if (owner.host, owner.boot, owner.pidns) != (me.host, me.boot, me.pidns):
        return False
    if os.readlink("/proc/self") != str(os.getpid()):  # noqa: PTH115
        return False
    return start_ticks(owner.pid) != owner.start
