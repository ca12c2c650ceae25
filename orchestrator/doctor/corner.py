"""A corner of the root for one doctor's probes: made for them, and gone with them.

.orch/doctor/<token>/          all that this doctor makes
.orch/doctor/<token>.here      says that its corner is complete and who is behind it; its last word is to remove it
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from jobs import layout
from jobs.process import boot_id
from jobs.statx import force_sync

HERE: Final = ".here"
# Linked from the first into the second, as tickets are: some file systems have hard links within one folder only.
TICKETS, REGISTERS = "tmp", "log"
TALK, NAMES, PLAIN, TIMES = "talk", "names", "plain", "times"
_FORGOTTEN_SECONDS: Final = 3600.0
_TRIES: Final = 5


def meeting_folder(root: Path) -> Path:
    """Where doctors of one root find each other."""
    return root / layout.DOCTOR


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is behind a corner."""

    token: str
    host: str
    boot: str

    def is_elsewhere(self, other: Presence) -> bool:
        return (self.host, self.boot) != (other.host, other.boot)


@dataclass(frozen=True)
class Corner:
    """One doctor's folders under a root.

    Attributes:
        root: the shared folder.
        me: who this doctor is.
    """

    root: Path
    me: Presence

    @property
    def folder(self) -> Path:
        return meeting_folder(self.root) / self.me.token

    @property
    def meeting(self) -> Path:
        return meeting_folder(self.root)

    def announce(self) -> None:
        """Let other hosts see that this corner is complete."""
        text = self.folder / "here.json"
        text.write_text(json.dumps(asdict(self.me)), encoding="utf-8")
        text.rename(self.meeting / f"{self.me.token}{HERE}")

    def withdraw(self) -> None:
        """Take it back: from now on nobody new asks this doctor."""
        (self.meeting / f"{self.me.token}{HERE}").unlink(missing_ok=True)

    def others(self) -> list[Presence]:
        """The doctors of other hosts that are here now, the one after this doctor's own token first."""
        found = [other for other in presences(self.root) if other.is_elsewhere(self.me)]
        return sorted(found, key=lambda other: (other.token < self.me.token, other.token))


def presences(root: Path) -> list[Presence]:
    """All doctors that are here now."""
    meeting = meeting_folder(root)
    found = []
    for name in fresh_names(meeting):
        if name.endswith(HERE):
            with contextlib.suppress(OSError, ValueError, TypeError):  # gone meanwhile, or not a doctor's
                who = Presence(**json.loads((meeting / name).read_text(encoding="utf-8")))
                found += [who] if name == f"{who.token}{HERE}" else []
    return found


def fresh_names(folder: Path) -> list[str]:
    """The names in a folder as its server has them now; none where there is no such folder."""
    try:
        force_sync(str(folder))
        return os.listdir(folder)  # noqa: PTH208  names, not paths
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def corner(root: Path, patience_seconds: float) -> Iterator[Corner]:
    """A corner that is gone afterwards, and the root with it where this made it and nobody else came.

    Args:
        root: the shared folder, there or not.
        patience_seconds: how long to wait for other doctors before removing what they stand on.

    Raises:
        OSError: the root does not let one in.
    """
    token = os.urandom(8).hex()
    mine = Corner(root, Presence(token, socket.gethostname(), boot_id()))
    made: list[Path] = []
    try:
        _make(mine, made)
        with contextlib.suppress(OSError):  # what cannot be listed or looked at, the probes tell
            sweep(mine)
        yield mine
    finally:
        _remove(mine, made, patience_seconds)


@contextlib.contextmanager
def standing(folder: Path) -> Iterator[None]:
    """A folder with all above it; gone afterwards as far as this made it and it is empty.

    Raises:
        OSError: it cannot be made.
    """
    made: list[Path] = []
    try:
        _make_parents(folder, made)
        yield
    finally:
        _remove_empty(list(reversed(made)))


def _make(mine: Corner, made: list[Path]) -> None:
    for turn in range(_TRIES):
        try:
            _make_parents(mine.meeting, made)
            _make_own(mine.folder)
            break
        except FileNotFoundError:  # another doctor has just left and taken the empty folder along
            if turn == _TRIES - 1:
                raise
    for name in (TICKETS, REGISTERS, TALK, NAMES, PLAIN, TIMES):
        _make_own(mine.folder / name)


def _make_own(folder: Path) -> None:
    """Nobody else has this corner's token: what is there already was made by a call whose reply was lost."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir()


def _make_parents(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.is_dir() and folder not in missing:
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):
            one.mkdir()
            made.append(one)


def _remove(mine: Corner, made: list[Path], patience_seconds: float) -> None:
    with contextlib.suppress(OSError):
        mine.withdraw()
    for _ in range(_TRIES):  # a partner may still write an answer into it
        shutil.rmtree(mine.folder, ignore_errors=True)
        if not mine.folder.exists():
            break
    if len(made) > 1:
        _wait_until_alone(mine.root, patience_seconds)
    _remove_empty([mine.meeting, *reversed(made)])


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # not empty: others are there, or work has begun
            folder.rmdir()


def _wait_until_alone(root: Path, patience_seconds: float) -> None:
    until = time.monotonic() + patience_seconds
    with contextlib.suppress(OSError):
        while time.monotonic() < until and fresh_names(meeting_folder(root)):
            time.sleep(0.1)


def sweep(mine: Corner) -> None:
    """Remove what doctors that were killed left more than an hour ago, by the file server's clock on both sides."""
    now = mine.folder.stat().st_mtime
    for name in fresh_names(mine.meeting):
        path = mine.meeting / name
        with contextlib.suppress(OSError):  # its owner, or another sweeper, was first
            if now - path.lstat().st_mtime > _FORGOTTEN_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
