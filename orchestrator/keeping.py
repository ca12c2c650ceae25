"""A worker's own session kept: looked at, left whole when it is lost, and followed by a new one."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.errors import HostUnfitError
from jobs.sessions import Standing
from orchestrator.place import Place
from orchestrator.session import open_session


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
