"""A file that is whole or absent: written beside its place, synced, then renamed over it."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from trainers.patience import ONE_TRY, Patience


@contextlib.contextmanager
def written_whole(path: Path, patience: Patience = ONE_TRY) -> Iterator[BinaryIO]:
    """Yield a file in memory, whose content takes the place of `path` when the block ends well.

    In memory, because what is tried again has to be there still, and because libraries that write archives turn a
    disk's errors into errors of their own.

    Args:
        path: of the file.
        patience: with a folder that cannot be written.

    Raises:
        OSError: it could not be written; what was at `path` is there still. Also what `Patience.retry` raises.
    """
    file = io.BytesIO()
    yield file
    patience.retry(path.name, lambda: write_whole(path, file.getbuffer()))


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Make `data` the content of `path`, or leave what was there; for one writer a path.

    The temporary file lies in the same folder, so that the rename stays inside one file system. It is hidden and always
    has the same name: one that could not even be removed after an error is written over, and renamed, by the next try.

    Raises:
        OSError: it could not be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        # Not `tempfile`: its files are private to the user, and a shared folder has other readers.
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a write and a sync know the descriptor only
        with contextlib.suppress(OSError):  # the error that counts is the first one
            temporary.unlink(missing_ok=True)
        raise
