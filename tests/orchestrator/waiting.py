"""Waiting for what other processes do: by looking, never by a guess at how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 90.0


def wait_until(condition: Callable[[], T | None], what: str, timeout: float = PATIENCE_SECONDS) -> T:
    """What `condition` says once that is true.

    Raises:
        AssertionError: it did not become true in time.
    """
    until = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < until, f"still not so after {timeout:g} s: {what}"
        time.sleep(0.02)
    return found
