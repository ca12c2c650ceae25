"""A worker's own session kept: looked at, left whole when it is lost, and followed by a new one."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jobs.errors import HostUnfitError
from jobs.fitness import self_test
from jobs.sessions import Standing
from jobs.store import FolderStore
from orchestrator.place import Place
from orchestrator.session import Session, open_session
from trainers.passing import is_passing

# A worker that a batch system starts while the server is away is worth some minutes.
_START_SECONDS: Final = 300.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}  # somebody has to make room: that is told at once


def first_session(store: FolderStore, say: Callable[[str], None]) -> Session:
    """A session on a folder that was found fit; a server that is away is waited for.

    Raises:
        HostUnfitError: the folder cannot carry the protocol, or does not answer for five minutes.
    """
    until, pause = time.monotonic() + _START_SECONDS, 1.0
    while True:
        try:
            self_test(store.root, os.urandom(8).hex())
            return open_session(store)
        except HostUnfitError as error:
            if not _may_pass(error) or time.monotonic() + pause > until:
                raise
            say(f"waiting for the folder: {error.problem}; next try in {pause:.0f} s")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _may_pass(error: HostUnfitError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and is_passing(cause) and cause.errno not in _FULL


@dataclass
class Keeper:
    """Sees to it that a worker has a session that stands.

    Attributes:
        is_without: the session is lost, and the folder would not take a new one yet: nothing can be claimed.
    """

    place: Place
    is_without: bool = False

    def look(self) -> None:
        """Look at one's own session; where it is lost, leave it and open another."""
        session = self.place.session
        if not self.is_without:
            if session.look() is not Standing.LOST:
                return
            self.place.say(f"session {session.sid} was ended by another worker; its attempts publish if they still may")
            session.close()
            self.place.board.ended.add(session.sid)
            self.is_without = True
        self.open()

    def open(self) -> None:
        """Open the session that follows a lost one; tried again while the folder would not have it."""
        lost = self.place.session
        if not self.place.is_fair:
            return
        try:
            self.place.session = open_session(self.place.store, lost.past | {lost.sid})
        except HostUnfitError as error:
            self.place.weather.note(error.problem)
            return
        self.is_without = False
        self.place.say(f"session {self.place.session.sid} goes on")
