"""What the files of a folder were when they were written, and whether they still are that; no torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

MANIFEST: Final = "manifest.json"
_SCHEMA: Final = 1


class DamagedError(Exception):
    """A folder is not what its manifest says; the message names the file."""


def seal(folder: Path) -> None:
    """Sync the files of a folder and write its manifest: bytes and SHA-256 of each.

    Raises:
        OSError: they could not be read or synced, or the manifest not written.
    """
    files = {path.name: {"bytes": _synced_size(path), "sha256": _sha256(path)} for path in sorted(folder.iterdir())}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"schema": _SCHEMA, "files": files}, indent=1) + "\n", encoding="utf-8")
    _synced_size(manifest)


def check(folder: Path, names: Collection[str]) -> None:
    """See that files are whole: their sizes first, which costs nothing, then every byte of them.

    Reading costs about as much as a fast epoch over what was read: for the 184 MB of CIFAR 0.15 s on a core with SHA
    instructions, 0.6 s on one without. So there is no note of an earlier check, which could be older than a change.

    Args:
        folder: was sealed.
        names: of the files that have to be there.

    Raises:
        DamagedError: a file is missing, cut short or altered, or there is no manifest.
        OSError: a file cannot be read.
    """
    known = _read(folder)
    for name in names:
        if name not in known:
            raise DamagedError(f"{MANIFEST} does not name {name}")
        if (found := _size(folder / name)) != known[name].size:
            raise DamagedError(f"{name} holds {found} bytes in place of {known[name].size}")
    for name in names:
        if _sha256(folder / name) != known[name].sha256:
            raise DamagedError(f"{name} has been altered")


class _File(NamedTuple):
    size: int
    sha256: str


def _read(folder: Path) -> dict[str, _File]:
    """File name -> what it is to be."""
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        files = {name: _File(int(file["bytes"]), str(file["sha256"])) for name, file in document["files"].items()}
        schema = document["schema"]
    except (FileNotFoundError, NotADirectoryError):
        raise DamagedError(f"{MANIFEST} is missing, as in caches of earlier versions") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedError(f"{MANIFEST} is broken") from None
    if schema != _SCHEMA:
        raise DamagedError(f"{MANIFEST} is of another version")
    return files


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise DamagedError(f"{path.name} is missing") from None


def _synced_size(path: Path) -> int:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


def _sha256(path: Path) -> str:
    # Read, not mapped: a file that is cut short meanwhile is a wrong sum then, and no SIGBUS.
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:  # taken away since its size was looked at
        raise DamagedError(f"{path.name} is missing") from None
