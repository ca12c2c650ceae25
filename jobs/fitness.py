"""Whether a folder can carry the protocol, and what to say of one that cannot."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from jobs import layout
from jobs.errors import HostUnfitError
from jobs.statx import force_sync


def unfit(error: OSError) -> HostUnfitError:
    """The one-line error for a folder that will not do."""
    where = error.filename2 or error.filename or "the root"
    return HostUnfitError(f"{where}: {error.strerror or error}", _remedy(error))


def _remedy(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "make room there, or give another root (--root)"
    if error.errno in {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN}:
        return "is its server away? try again when it is back, or mount it again"
    return "give a root where you may write and that knows hard links (--root)"


def sync_folder(path: str) -> None:
    """Put the names in a folder on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, where they are not there.

    One that another host has just made may not show yet here: that it is there already is then all that is told, and
    `Path.mkdir(exist_ok=True)` would not believe it.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folders(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()


def self_test(root: Path, token: str) -> None:
    """Find out whether `root` can carry the protocol: exclusive create, hard link, EEXIST, one inode, fsync.

    Raises:
        HostUnfitError: it cannot.
    """
    # Across folders, as tickets are linked: some file systems know hard links within one folder only.
    first, second = root / layout.command_temp(f"{token}.a"), root / layout.SESSIONS / f"cmd.{token}.b"
    try:
        for folder in (first.parent, second.parent):
            make_folders(folder)
        _try_links(first, second)
        sync_folder(str(second.parent))
    except OSError as error:
        raise unfit(error) from error
    finally:
        for path in (first, second):
            with contextlib.suppress(OSError):
                path.unlink()


def _try_links(first: Path, second: Path) -> None:
    descriptor = os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    os.fsync(descriptor)
    os.close(descriptor)
    with contextlib.suppress(FileExistsError):  # a client may send it twice; the inodes tell
        second.hardlink_to(first)
    try:
        second.hardlink_to(first)
    except FileExistsError:
        pass
    else:
        raise OSError(errno.EOPNOTSUPP, "a second link to one name was not refused", str(second))
    # Asked of the server: a mount that keeps what it knows for a while still shows one name.
    one, two = force_sync(str(first)), force_sync(str(second))
    if one.inode != two.inode or one.links != 2:
        raise OSError(errno.EOPNOTSUPP, "hard links do not share one inode", str(second))
