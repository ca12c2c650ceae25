"""A file for people, put in its place whole; several writers may do so at once, and the last one's stays."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def put_whole(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`; who reads the old file goes on reading that.

    Raises:
        OSError: it could not be written; what was at `path` is there still, and nothing else.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
