"""What a called function raised, as the verdict on its attempt."""

from __future__ import annotations

import traceback
from typing import Any


def verdict_on(error: BaseException) -> dict[str, Any]:
    """Print the traceback, and say in one line what went wrong; an errno tells a fault of the folder from the rest."""
    traceback.print_exception(error)
    kind = "oom" if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" else "failed"
    verdict: dict[str, Any] = {"verdict": kind, "error": one_line(error)}
    if isinstance(error, OSError):
        verdict |= {"errno": error.errno, "filename": None if error.filename is None else str(error.filename)}
    return verdict


def one_line(error: BaseException) -> str:
    """An exception as one line of at most 500 characters."""
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return text[-1][:500] if text else type(error).__name__
