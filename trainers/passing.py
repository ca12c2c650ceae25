"""Errors of a shared folder that pass by themselves; no torch."""

from __future__ import annotations

import errno
from typing import Final

# A server that is away, restarts or has forgotten a handle, and a disk or a quota that somebody may make room on.
# Not here: what no waiting mends, such as rights, a read-only mount, a name that is not there or is too long.
PASSING: Final[frozenset[int]] = frozenset(
    {
        errno.EAGAIN,
        errno.ECOMM,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EDQUOT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EIO,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOLINK,
        errno.ENOSPC,
        errno.ENOTCONN,
        errno.EREMOTEIO,
        errno.ESHUTDOWN,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


def is_passing(error: OSError) -> bool:
    """Whether what failed may well succeed later without anything being done about it here."""
    return error.errno in PASSING
