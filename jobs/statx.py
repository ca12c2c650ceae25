"""A file's state as its server sees it now: Python 3.11 has no statx of its own."""

from __future__ import annotations

import ctypes
import os
from typing import Final, NamedTuple

_AT_EMPTY_PATH: Final = 0x1000
_AT_STATX_FORCE_SYNC: Final = 0x2000
_STATX_BASIC: Final = 0x7FF


class ServerStat(NamedTuple):
    """A file's inode, times in nanoseconds, and number of names."""

    inode: int
    mtime_ns: int
    ctime_ns: int
    links: int


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_uint32), ("_", ctypes.c_int32))


class _Statx(ctypes.Structure):
    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("blksize", ctypes.c_uint32),
        ("attributes", ctypes.c_uint64),
        ("nlink", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("mode", ctypes.c_uint16),
        ("_pad", ctypes.c_uint16),
        ("ino", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("blocks", ctypes.c_uint64),
        ("attributes_mask", ctypes.c_uint64),
        ("atime", _Time),
        ("btime", _Time),
        ("ctime", _Time),
        ("mtime", _Time),
        ("_rest", ctypes.c_uint64 * 24),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def force_sync(path: str) -> ServerStat:
    """A file's or folder's state as its server sees it now: statx with AT_STATX_FORCE_SYNC.

    The file is named, not opened: an NFS 4 server lends to whoever opens a lease for reading the promise that it will
    not change, and holds its owner's next beat back until that is returned, for 90 seconds where the reader has died.

    Raises:
        OSError: as open() and statx() do.
    """
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        seen = _Statx()
        flags = _AT_EMPTY_PATH | _AT_STATX_FORCE_SYNC
        if _libc.statx(descriptor, b"", flags, _STATX_BASIC, ctypes.byref(seen)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)
    return ServerStat(seen.ino, _nanoseconds(seen.mtime), _nanoseconds(seen.ctime), seen.nlink)


def _nanoseconds(when: _Time) -> int:
    return int(when.seconds) * 1_000_000_000 + int(when.nanoseconds)
