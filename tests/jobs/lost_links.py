"""A link() that fails, or whose reply is lost."""

from __future__ import annotations

import os
from collections.abc import Callable

Link = Callable[[str, str], None]


def failing(number: int, *, takes_effect: bool, times: int = 1) -> Link:
    """A link() that raises the first few times; with effect its reply is what gets lost."""
    real, left = os.link, [times]

    def link(source: str, target: str) -> None:
        if not left[0]:
            real(source, target)
            return
        left[0] -= 1
        if takes_effect:
            real(source, target)
        raise OSError(number, os.strerror(number), source, None, target)

    return link
