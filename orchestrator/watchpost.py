"""The watch in a thread of its own: a turn of the worker's loop takes long where the folder is slow or the host busy.

A watcher that looks too seldom must take itself for one that was frozen, and count silence anew: kept by the loop, a
powered-off host was found out after thirteen leases while every other worker was busy with a slow folder.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from jobs.records import Claimer
from orchestrator.watching import Watcher

_GLANCE_SECONDS: Final = 0.5
_FAREWELL_SECONDS: Final = 5.0


@dataclass
class WatchPost:
    """Keeps the watch over the sessions that the worker's loop names, and tells it which are over.

    Attributes:
        watcher: used by this thread alone once it has started.
    """

    watcher: Watcher
    _owners: dict[str, Claimer] = field(default_factory=dict)
    _evicted: str = ""
    _ended: set[str] = field(default_factory=set)
    _problem: BaseException | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._keep, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more looks; one that hangs in a folder that is away is left to its fate."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_FAREWELL_SECONDS)

    def exchange(self, owners: dict[str, Claimer], evicted: str, me: Claimer) -> set[str]:
        """Name the sessions to watch and one's own ticket; those found over since the last time.

        Raises:
            RuntimeError: the watch broke off.
        """
        with self._lock:
            if self._problem is not None:
                raise RuntimeError("the watch over other workers broke off") from self._problem
            self._owners, self._evicted, self.watcher.me = owners, evicted, me
            ended, self._ended = self._ended, set()
        return ended

    def _keep(self) -> None:
        while not self._over.wait(_GLANCE_SECONDS):
            with self._lock:
                owners, evicted = self._owners, self._evicted
            try:
                ended = self.watcher.look(owners, evicted) if evicted else set()
            except BaseException as error:
                with self._lock:
                    self._problem = error
                return
            with self._lock:
                self._ended |= ended
                self._owners = {sid: owner for sid, owner in self._owners.items() if sid not in ended}
