"""What the parts of one worker share: the folder, what is known of its jobs, and the session they act for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobs.store import FolderStore
from orchestrator.picking import Board
from orchestrator.session import Session


@dataclass
class Place:
    """Where a worker works.

    Attributes:
        session: the current one; another takes its place when it is lost.
        say: tells the user, a line at a time.
    """

    store: FolderStore
    board: Board
    session: Session
    say: Callable[[str], None]
