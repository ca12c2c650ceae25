"""Looking at a shared folder without ever writing to it: what shows for a moment only is asked again, never guessed."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from jobs.statx import force_sync
from jobs.store import FolderStore

T = TypeVar("T")

# Between tries, where the folder gives an error that may pass. A server that is away longer is for a person to know.
_PAUSES: Final = (0.02, 0.1, 0.4)
_CHUNK: Final = 1 << 14  # most records are far smaller, and a large buffer costs more than the read


def patiently(ask: Callable[[], T]) -> T:
    """What `ask` says, asked again where it fails for a reason that may pass.

    Raises:
        OSError: it goes on failing; a name that is not there, or not ours to read, does so at once.
    """
    for pause in _PAUSES:
        try:
            return ask()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            raise
        except OSError:
            time.sleep(pause)
    return ask()


def names_in(folder: str) -> list[str]:
    """The names in a folder, asked of the server itself: a client may go on believing in an old listing.

    Raises:
        OSError: it cannot be listed, FileNotFoundError where it does not show.
    """
    return patiently(lambda: _fresh_names(folder))


def _fresh_names(folder: str) -> list[str]:
    force_sync(folder)
    return os.listdir(folder)  # noqa: PTH208  a hundred thousand Path objects would cost seconds


def names_in_listed(folder: str) -> list[str]:
    """The names in a folder that the listing of its parent has just shown.

    Folders are never removed. One that does not show now is the mistake of a client that once found no such name, and
    goes on believing that: no reason to take it for empty.

    Raises:
        NotADirectoryError: it is no folder.
        OSError: it cannot be listed.
    """

    def ask() -> list[str]:
        try:
            return _fresh_names(folder)
        except FileNotFoundError as error:
            raise OSError(errno.ESTALE, "it is listed, and does not show", folder) from error

    return patiently(ask)


def names_if_there(folder: str) -> list[str]:
    """The names in a folder that need not be there; none where its parent's listing does not show it.

    Raises:
        OSError: it cannot be listed.
    """
    parent, _, name = folder.rpartition("/")
    try:
        return names_in_listed(folder) if name in names_in(parent) else []
    except (FileNotFoundError, NotADirectoryError):
        return []


def content(path: str) -> bytes | None:
    """What a file holds; None: it does not show.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return patiently(lambda: _read(path))
    except FileNotFoundError:
        return None


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, _CHUNK)
        while chunk := os.read(descriptor, _CHUNK):
            data += chunk
        return data
    finally:
        os.close(descriptor)


def read_whole(root: Path, read: Callable[[FolderStore], object]) -> None:
    """Let something be read over a store, and over again while the folder keeps anything of it back.

    What reads in portions makes do with what it gets; a count of jobs must not.

    Raises:
        OSError: it goes on doing so.
    """

    def once() -> None:
        troubles: list[OSError] = []
        read(FolderStore(root, on_trouble=lambda error, _: troubles.append(error)))
        if troubles:
            raise troubles[0]

    patiently(once)
