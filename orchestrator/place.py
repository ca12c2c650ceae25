"""What the parts of one worker share: the folder, what is known of its jobs, and the session they act for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobs.store import FolderStore
from orchestrator.picking import Board
from orchestrator.session import Session
from orchestrator.weather import Weather


@dataclass
class Place:
    """Where a worker works.

    Attributes:
        session: the current one; another takes its place when it is lost.
        weather: what is known of the folder's state.
        say: tells the user, a line at a time.
    """

    store: FolderStore
    board: Board
    session: Session
    weather: Weather
    say: Callable[[str], None]

    @property
    def is_fair(self) -> bool:
        """Whether the folder takes writes, as far as is known."""
        return self.weather.is_fair(self.store, self.session.sid)
