"""A worker's folder on its own host, while it runs; what a killed worker left is swept by the next."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

_PREFIX: Final = "orch-worker-"
_LOCK: Final = ".alive"
_SETTLED_SECONDS: Final = 3600.0  # a younger one may be just about to be locked


@dataclass(frozen=True, slots=True)
class Scratch:
    """The folder, and the lock that says somebody uses it; the kernel gives it back when the worker dies."""

    path: Path
    lock: FileLock

    def remove(self) -> None:
        self.lock.release(force=True)
        shutil.rmtree(self.path, ignore_errors=True)


def open_scratch() -> Scratch:
    """A new folder of this worker's own; those of dead workers go."""
    sweep(Path(tempfile.gettempdir()))
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = FileLock(path / _LOCK)
    lock.acquire()
    return Scratch(path, lock)


def sweep(parent: Path) -> None:
    """Remove what killed workers left; what is another user's, or cannot be looked at, is left alone."""
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, Timeout):
            if path.is_symlink() or time.time() - path.stat().st_mtime < _SETTLED_SECONDS:
                continue
            with FileLock(path / _LOCK, timeout=0):
                shutil.rmtree(path, ignore_errors=True)
