"""Signs of life of worker sessions, in one look: the process on this very host, else lease times against each other.

For display only. No decision rests on it: only a session's end says that it is over.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobs import layout
from jobs.looking import content, names_if_there, patiently
from jobs.process import claimer, is_gone, is_here
from jobs.records import Claimer
from jobs.sessions import DEFAULT_LEASE_SECONDS
from jobs.statx import force_sync

# What may lie beside the leases: ends, notes, and what is on its way or being tried out there.
_OURS: Final = re.compile(r"[0-9a-f]{16}\..+|cmd\..+|\.nfs.+")


@dataclass(frozen=True, slots=True)
class SessionState:
    """What shows of a worker's session.

    Attributes:
        note: what it says of itself, for people.
        silent_seconds: since its last sign of life, against the newest sign in this root (one clock: the server's).
        is_own_clock: no sign is newer than this session's own, so it was judged by this host's clock.
        is_gone: its process ran on this very host, and is no more.
    """

    sid: str
    claimer: Claimer | None
    note: dict[str, Any]
    silent_seconds: float
    is_ended: bool
    is_silent: bool
    is_own_clock: bool = False
    is_gone: bool = False


class Sessions:
    """The sessions of a root, as one listing showed them.

    Attributes:
        ended: sessions with an end.
        strangers: files that are none of ours, by their path under the root.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / layout.SESSIONS
        self.me = claimer("", 0.0)
        self.ended: set[str] = set()
        self.beats: dict[str, float] = {}
        self.newest = 0.0
        self.strangers: list[str] = []
        self._noted: set[str] = set()
        self._known: dict[str, SessionState] = {}
        self._look()

    def _look(self) -> None:
        names = names_if_there(str(self.folder))
        self.ended = {name.removesuffix(".end") for name in names if name.endswith(".end")}
        self.strangers = [f"{layout.SESSIONS}/{name}" for name in names if not _OURS.fullmatch(name)]
        self._noted = {name.removesuffix(".json") for name in names if name.endswith(".json")}
        leases = (name.removesuffix(".lease") for name in names if name.endswith(".lease"))
        self.beats = {sid: beat for sid in leases if sid not in self.ended and (beat := self._beat(sid)) is not None}
        # The newest beat is the server's own clock, or close behind it: the others are judged by it.
        self.newest = max(self.beats.values(), default=0.0)
        self._known.clear()

    def _beat(self, sid: str) -> float | None:
        """When a lease was refreshed last; None: it went meanwhile."""
        path = f"{self.folder}/{sid}.lease"
        try:
            return patiently(lambda: force_sync(path)).mtime_ns / 1e9
        except FileNotFoundError:
            return None

    def meet(self, owners: Iterable[Claimer]) -> None:
        """Look again if there is a session among these that this look was too early for."""
        if any(owner.sid not in self.beats and owner.sid not in self.ended for owner in owners):
            self._look()

    def of(self, owner: Claimer) -> SessionState:
        """The session that claimed something."""
        if owner.sid not in self._known:
            self._known[owner.sid] = self._state(owner.sid, owner)
        return self._known[owner.sid]

    def open(self) -> dict[str, SessionState]:
        """Every session that has a lease and no end."""
        return {sid: self._known.get(sid) or self._state(sid, None) for sid in self.beats}

    def over(self, first: Iterable[str], most: int) -> dict[str, SessionState]:
        """Sessions that are over and have left a note, `first` ones first, at most so many."""
        ours = [sid for sid in first if sid in self.ended and sid in self._noted]
        others = sorted(self.ended & self._noted - set(ours))
        return {sid: self._state(sid, None) for sid in [*ours, *others][:most]}

    def _state(self, sid: str, owner: Claimer | None) -> SessionState:
        note = self._note(sid)
        beat = self.beats.get(sid)
        is_own_clock = beat == self.newest
        now = max(self.newest, time.time()) if is_own_clock else self.newest
        silent = max(0.0, now - beat) if beat is not None else float("inf")
        is_silent = silent > _lease_seconds(owner, note)
        has_gone = False
        if owner is not None and is_here(owner, self.me):
            # This host's clock may be off from the server's; its processes are beyond doubt.
            has_gone = is_gone(owner, self.me)
            is_silent = has_gone or (is_silent and not is_own_clock)
        return SessionState(sid, owner, note, silent, sid in self.ended, is_silent, is_own_clock, has_gone)

    def _note(self, sid: str) -> dict[str, Any]:
        try:
            data = content(f"{self.folder}/{sid}.json")
            note = json.loads(data) if data else {}
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}


def _lease_seconds(owner: Claimer | None, note: dict[str, Any]) -> float:
    said = note.get("lease_seconds")
    if owner is not None:
        return owner.lease_seconds
    return float(said) if isinstance(said, int | float) else DEFAULT_LEASE_SECONDS
