"""The nearest good name for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_MOST_NAMES: Final = 12  # that an error line may list


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that `word` was most likely meant to be, or None."""
    by_lower = {name.lower(): name for name in names}
    found = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def remedy(word: str, names: Iterable[str]) -> str:
    """What to write instead of `word`: the nearest name, or else all of them where they are few."""
    names = list(names)
    near = nearest(word, names)
    if near is not None:
        return f"use {near}"
    if not names:
        return "leave it out"
    shown = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return f"use {shown}" if len(names) == 1 else f"use one of {shown}"
