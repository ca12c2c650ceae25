"""Start a command for which the kernel refuses every hard link, as exFAT and some network mounts do: a seccomp filter.

`python no_links.py COMMAND ...`; exits with 99 where the kernel takes no filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

CANNOT = 99
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_LINK_CALLS = {"x86_64": (86, 265), "aarch64": (37,)}  # link (x86 only) and linkat


def _filter(calls: tuple[int, ...]) -> bytes:
    """A BPF program: load the call's number, refuse those given, allow the rest."""
    steps = [(_LOAD, 0, 0, 0)]
    steps += [(_JUMP_IF_EQUAL, len(calls) - place, 0, call) for place, call in enumerate(calls)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def main() -> None:
    calls = _LINK_CALLS.get(platform.machine())
    libc = ctypes.CDLL(None, use_errno=True)
    if calls is None or libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit(CANNOT)
    program = ctypes.create_string_buffer(_filter(calls))
    described = struct.pack("HxxxxxxP", len(calls) + 3, ctypes.addressof(program))
    if libc.prctl(_SET_SECCOMP, _MODE_FILTER, described, 0, 0) != 0:
        sys.exit(CANNOT)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
