"""How two doctors talk: by names in a folder, which are whole as soon as they are there, and forced listings.

`ask.<n>.<to>.<what>.<milliseconds>` in the asker's `talk/` asks the doctor `to` for something and says how long that is
worth waiting for; `say.<n>.<word>` answers. Nothing is decided by a clock of another host.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.doctor.corner import fresh_names

PAUSE_SECONDS = 0.003
# Two names made within one tick of the server's clock leave one time on the folder: a listing taken between the two
# would be trusted for ever, so whoever waits gives the folder a new time now and then.
_NUDGE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to another doctor's peer."""

    number: int
    to: str
    what: str
    limit_seconds: float

    @property
    def name(self) -> str:
        return f"ask.{self.number}.{self.to}.{self.what}.{round(self.limit_seconds * 1000)}"


def parse_ask(name: str) -> Ask | None:
    """The question that a name is; None: it is none."""
    parts = name.split(".")
    if len(parts) != 5 or parts[0] != "ask" or not parts[1].isdecimal() or not parts[4].isdecimal():
        return None
    return Ask(int(parts[1]), parts[2], parts[3], int(parts[4]) / 1000)


def make_name(path: Path) -> None:
    """A new empty file; one that is there already is fine."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))


def say(talk: Path, number: int, word: str) -> None:
    """Answer a question."""
    make_name(talk / f"say.{number}.{word}")


def heard(talk: Path, number: int) -> Callable[[str], bool]:
    """Whether a word has been said to a question, by a forced listing."""
    return lambda word: f"say.{number}.{word}" in fresh_names(talk)


def wait_for(condition: Callable[[], bool], limit_seconds: float, nudged: Path | None = None) -> float | None:
    """When a condition came true, on this process's monotonic clock; None: not in time.

    Args:
        condition: what is waited for.
        limit_seconds: how long.
        nudged: a folder of one's own that gets a new time now and then.
    """
    until = time.monotonic() + limit_seconds
    nudge = time.monotonic() + _NUDGE_SECONDS
    while not condition():
        now = time.monotonic()
        if now > until:
            return None
        if nudged is not None and now > nudge:
            os.utime(nudged)
            nudge = now + _NUDGE_SECONDS
        time.sleep(PAUSE_SECONDS)
    return time.monotonic()
