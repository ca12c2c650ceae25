"""A disk that is soon full, and may grow again; needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, room: str) -> Iterator[Path]:
    """A file system of its own at `folder`, with so much room: `size=64k`, `nr_inodes=9`."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", room, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def grow(folder: Path) -> None:
    """Somebody made room."""
    subprocess.run(["mount", "-o", "remount,size=64m,nr_inodes=1000", folder], check=True)
