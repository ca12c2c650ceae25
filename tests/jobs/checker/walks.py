"""Long random walks through worlds that are too big to be searched."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.jobs.checker.search import Search, ViolationError


@dataclass
class Walked:
    """How far the walks came."""

    walks: int = 0
    turns: int = 0
    longest: int = 0


def walk(search: Search, source: random.Random, longest: int, walked: Walked) -> None:
    """One walk from the first state, until nothing more can happen or it is long enough.

    Turns that cost an accident are offered one time in ten only, or most walks would end in a heap of them.

    Raises:
        ViolationError: a promise was not kept.
    """
    folder, minds = search.start[0].plain(), list(search.start[1:])
    lines: list[str] = []
    walked.walks += 1
    for _ in range(longest):
        found = [
            (column, after)
            for column, move in enumerate(search.moves)
            for after in move.next(minds[column], folder)
            if not after.cost or source.random() < 0.1
        ]
        if not found:
            return
        column, after = source.choice(found)
        lines.append(search.line(column + 1, after))
        folder, minds[column] = after.folder, after.mind
        walked.turns += 1
        walked.longest = max(walked.longest, len(lines))
        if broken := after.broken or search.broken(folder):
            raise ViolationError(broken, lines, walked.turns)


def rows(search: Search) -> Any:
    """All states that a search has found, for counting."""
    return np.concatenate([layer.rows for layer in search.layers])
