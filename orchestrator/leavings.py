"""What an attempt left in its folder: on disk, and hashed, before its record says that it is there."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

UNLISTED: Final = frozenset({"log.txt"})

Message = dict[str, Any]


def collect(folder: Path) -> Message:
    """Sync and hash all that an attempt left but its log, so that its record may say what is there.

    Returns:
        `files`: [path below the folder, bytes, sha256], sorted; nothing when there is no folder.
    """
    if not folder.is_dir():
        return {}
    files: list[tuple[str, int, str]] = []
    for path in sorted(_walk(folder)):
        if path.name in UNLISTED and path.parent == folder:
            continue
        descriptor = os.open(path, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            os.fsync(descriptor)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            files.append((path.relative_to(folder).as_posix(), file.tell(), digest))
    for parent in {folder, folder.parent, *((folder / name).parent for name, *_ in files)}:
        _sync(parent)
    return {"files": files}


def collect_patiently(folder: Path) -> Message:
    """`collect`, again and again while the folder cannot be written: what was computed is not thrown away for that."""
    pause = 1.0
    while True:
        try:
            return collect(folder)
        except PermissionError as error:  # no waiting mends that
            return {"verdict": "failed", "error": f"{error.filename}: what the attempt left cannot be read"}
        except OSError as error:
            sys.stderr.write(f"result not on disk yet: {error}; next try in {pause:.0f} s\n")
            threading.Event().wait(pause)
            pause = min(2 * pause, 30.0)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, onerror=_refuse):  # it would leave out what it cannot list
        for name in names:
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _refuse(error: OSError) -> None:
    raise error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
