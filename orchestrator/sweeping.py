"""The sweep: what ended sessions and commands left in the root's private folder goes, a day after.

Times are compared with that of a file made for it just now, so both are the file server's. Registers are never touched:
a ticket that was linked as a claim stays under that name. Sessions that own no claim are watched by nobody else, so the
sweeper watches them, with a day for a lease: or what they left would stay for ever.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from jobs import layout
from jobs.errors import HostUnfitError
from jobs.records import Claimer, decode_claimer
from jobs.sessions import Tickets
from jobs.store import FolderStore
from orchestrator.watching import Watcher

DAY_SECONDS: Final = 86_400.0
_FIRST_SECONDS: Final = 60.0
_EVERY_SECONDS: Final = 3600.0
_FAREWELL_SECONDS: Final = 5.0


@dataclass
class Sweeper:
    """See the module's docstring.

    Attributes:
        watcher: of sessions that own nothing.
        old_seconds: how long a session must have been over, and how old what a command left must be.
    """

    store: FolderStore
    watcher: Watcher
    old_seconds: float = DAY_SECONDS

    def sweep(self, mine: Tickets) -> int:
        """Sweep once; how many files went.

        Args:
            mine: tickets of the sweeping session.

        Raises:
            OSError, HostUnfitError: the folder does not answer: sweep another time.
        """
        sessions = set(os.listdir(self.store.root / layout.SESSIONS))  # noqa: PTH208
        open_ones = {name.removesuffix(".lease") for name in sessions if name.endswith(".lease")}
        ended = {name.removesuffix(".end") for name in sessions if name.endswith(".end")}
        for sid in open_ones & ended:  # it tells its holder, if there is one
            (self.store.root / layout.lease(sid)).unlink(missing_ok=True)
        self._watch(open_ones - ended - {self.watcher.me.sid}, mine.evicted)
        now = self._server_time()
        count = 0
        for path in self._old_ones(ended, now):
            path.unlink(missing_ok=True)
            count += 1
        return count

    def _watch(self, sids: set[str], evicted: str) -> None:
        owners: dict[str, Claimer] = {}
        for sid in sids:
            with contextlib.suppress(OSError, ValueError):
                owner = decode_claimer((self.store.root / layout.ticket(sid, "claim")).read_bytes())
                owners[sid] = replace(owner, lease_seconds=max(DAY_SECONDS, owner.lease_seconds))
        self.watcher.look(owners, evicted)

    def _server_time(self) -> float:
        path = self.store.root / layout.ticket(self.watcher.me.sid, f"sweep{os.urandom(4).hex()}")
        try:
            path.touch(exist_ok=False)
            return path.stat().st_mtime
        finally:
            path.unlink(missing_ok=True)

    def _old_ones(self, ended: set[str], now: float) -> Iterator[Path]:
        """What may go: a session's, by the change time of its end, which is set when that is put, or a command's."""
        ages: dict[str, float] = {}
        for entry in os.scandir(self.store.root / layout.TMP):
            owner = entry.name.partition(".")[0]
            with contextlib.suppress(FileNotFoundError):
                if owner == "cmd":
                    age = now - entry.stat(follow_symlinks=False).st_mtime
                elif owner in ended:
                    if owner not in ages:
                        ages[owner] = now - (self.store.root / layout.session_end(owner)).stat().st_ctime
                    age = ages[owner]
                else:
                    continue
                if age >= self.old_seconds:
                    yield Path(entry.path)


@dataclass
class Sweep:
    """A sweep now and then, in a thread of its own: there may be much to look at, and the folder may be slow.

    Attributes:
        tickets: those of the worker's session, which may be another by then.
    """

    sweeper: Sweeper
    tickets: Callable[[], Tickets]
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._keep, name="sweep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(_FAREWELL_SECONDS)

    def _keep(self) -> None:
        pause = _FIRST_SECONDS
        while not self._over.wait(pause):
            pause = _EVERY_SECONDS
            with contextlib.suppress(OSError, HostUnfitError):  # nothing hangs on it: another time
                self.sweeper.sweep(self.tickets())
