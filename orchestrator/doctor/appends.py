"""Whether lines that two processes append to one file stay whole: why orch never appends from two hosts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LINES: Final = 150
_SECONDS: Final = 1.5
FILE: Final = "append.txt"


@dataclass(frozen=True, slots=True)
class Torn:
    """Lines that were not found whole, of all that were appended, and NUL bytes among them."""

    appended: int
    missing: int
    nul_bytes: int


def append_lines(path: Path, word: str) -> int:
    """Append synced lines of a writer's own for a moment; how many."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    until = time.monotonic() + _SECONDS
    count = 0
    try:
        while count < LINES and time.monotonic() < until:
            os.write(descriptor, _line(word, count))
            os.fsync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
    return count


def _line(word: str, number: int) -> bytes:
    return f"{word} {number:06d}".ljust(63, ".").encode() + b"\n"


def count_torn(data: bytes, writers: dict[str, int]) -> Torn:
    """What became of the lines that writers appended.

    Args:
        data: the file.
        writers: word -> how many lines it appended.
    """
    whole = set(data.splitlines(keepends=True))
    appended = sum(writers.values())
    kept = sum(_line(word, number) in whole for word, count in writers.items() for number in range(count))
    return Torn(appended, appended - kept, data.count(b"\0"))
