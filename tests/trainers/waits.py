"""What happens while somebody waits, and files that cannot be read: no root, no time that has to pass."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# Reading it at its beginning, where nothing is mapped, is a real EIO.
UNREADABLE: Final = Path("/proc/self/mem")


class _Once(logging.Handler):
    """Acts at the first line that says that something is waited for."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act, self.lines = act, list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if "waiting for" in record.getMessage():
            self.lines.append(record.getMessage())
            if len(self.lines) == 1:
                self._act()


@contextmanager
def at_first_wait(act: Callable[[], object]) -> Iterator[list[str]]:
    """Do `act` when somebody begins to wait; yields the lines that say so, and there must be one."""
    handler = _Once(act)
    logging.getLogger("trainers").addHandler(handler)
    try:
        yield handler.lines
    finally:
        logging.getLogger("trainers").removeHandler(handler)
    assert handler.lines, "nobody waited"


def make_unreadable(path: Path) -> Callable[[], None]:
    """Put a file that gives EIO in place of `path`; returns what puts the old one back."""
    kept = path.rename(path.with_name(f"{path.name}.kept"))
    path.symlink_to(UNREADABLE)

    def mend() -> None:
        kept.replace(path)

    return mend
