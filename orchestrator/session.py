"""A live session: its lease refreshed in the background, its tickets, and what it remembers of its puts."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from filelock import SoftFileLease, Timeout

from jobs import layout
from jobs.errors import HostUnfitError, InputError
from jobs.fitness import make_folders, unfit
from jobs.process import claimer
from jobs.queue import Me
from jobs.records import Claimer
from jobs.sessions import (
    CLAIMS_PER_TICKET,
    DEFAULT_LEASE_SECONDS,
    Close,
    Closing,
    LookAtOwn,
    Standing,
    Tickets,
    encode_note,
    tickets,
)
from jobs.store import Failed, FolderStore, carry_out

# Longer than any run: filelock's own expiry is not used, and its refresh loop gives up after this time without a write.
_NEVER_SECONDS: Final = 86_400.0


def boot_seconds() -> float:
    """A clock that counts while the host sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Session:
    """One lease for a whole worker.

    Attributes:
        me: names and tickets, as operations want them.
        last_good: boot seconds of the last look that found the session standing.
    """

    store: FolderStore
    claimer: Claimer
    lease: SoftFileLease
    tickets: Tickets
    beat_seconds: float
    last_good: float
    past: frozenset[str] = frozenset()
    tried: set[tuple[str, str, int]] = field(default_factory=set)
    _claims: int = 0
    _rolls: int = 0

    @property
    def sid(self) -> str:
        return self.claimer.sid

    def me(self, running: Set[tuple[str, str, int]]) -> Me:
        return Me(
            sid=self.sid,
            claim=self.tickets.claim,
            released=self.tickets.released,
            evicted=self.tickets.evicted,
            past=self.past,
            running=running,
            tried=self.tried,
        )

    @property
    def is_suspect(self) -> bool:
        """Whether so long has passed since the last good look that others may have ended this session."""
        return boot_seconds() - self.last_good > self.claimer.lease_seconds * 2 / 3

    def look(self) -> Standing:
        """Look whether this session still stands."""
        if self.lease.compromise is not None and self.lease.compromise.reason != "refresh-failed":
            return Standing.LOST
        now = boot_seconds()
        standing: Standing = carry_out(LookAtOwn(self.sid), self.store)
        if standing is Standing.GOOD:
            self.last_good = now
        return standing

    def count_claim(self) -> None:
        """Make new tickets every few hundred claims: file systems bound the links of one file."""
        self._claims += 1
        if self._claims % CLAIMS_PER_TICKET == 0:
            self.renew_tickets()

    def renew_tickets(self) -> None:
        """A new set of tickets; what an old one may have put is asked with that old one."""
        self._rolls += 1  # a set that could only be made in part is left, for its names are taken
        paths, makes = tickets(self.claimer, self._rolls)
        if not any(isinstance(self.store.answer(make), Failed) for make in makes):
            self.tickets = paths

    def close(self) -> None:
        """Put `closed` before the lease is released; where that stays unknown, the lease is left standing."""
        # The beat stops first in any case: a lease that goes on with nobody behind it would keep its claims for ever.
        self.lease._stop_heartbeat()
        if carry_out(Close(self.sid, self.tickets.closed), self.store) is Closing.CLOSED:
            self.lease.release(force=True)

    def write_note(self, note: dict[str, object]) -> None:
        """Tell people what this session does; a folder that cannot be written now is no reason to stop."""
        path = self.store.root / layout.session_note(self.sid)
        temporary = path.with_suffix(".json.new")
        try:
            temporary.write_bytes(encode_note(note))
            temporary.replace(path)
        except OSError:
            return


def open_session(store: FolderStore, past: frozenset[str] = frozenset()) -> Session:
    """Acquire a lease under a new name and make the tickets.

    Raises:
        HostUnfitError: the folder cannot be written.
    """
    sid = os.urandom(8).hex()
    lease_seconds, beat_seconds = times_from_environment()
    path = store.root / layout.lease(sid)
    lease = SoftFileLease(
        path, lease_duration=_NEVER_SECONDS, heartbeat_interval=beat_seconds, thread_local=False, timeout=60
    )
    who = claimer(sid, lease_seconds)
    paths, makes = tickets(who)
    try:
        _acquire(lease, path)
        for make in makes:
            if isinstance(reply := store.answer(make), Failed):
                raise HostUnfitError(reply.error, "is the folder full, or its server away?") from OSError(
                    reply.number or 0, reply.error
                )
    except BaseException:
        # Or it would beat on for ever, for a session that nobody has.
        lease._stop_heartbeat()
        with contextlib.suppress(OSError):
            lease.release(force=True)
        raise
    return Session(store, who, lease, paths, beat_seconds, boot_seconds(), past)


def _acquire(lease: SoftFileLease, path: Path) -> None:
    try:
        make_folders(path.parent)
        lease.acquire()
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unfit(error) from error
    except Timeout as error:
        raise HostUnfitError(f"{path}: no lease could be taken", "is the folder full, or its server away?") from error


def times_from_environment() -> tuple[float, float]:
    """The lease and the beat of a session, in seconds: ORCH_LEASE_SECONDS and ORCH_BEAT_SECONDS.

    Raises:
        InputError: one of them is no such time, or the beat would not keep the lease.
    """
    lease_seconds = seconds_from_environment("ORCH_LEASE_SECONDS", DEFAULT_LEASE_SECONDS)
    beat_seconds = seconds_from_environment("ORCH_BEAT_SECONDS", lease_seconds / 3)
    if beat_seconds >= lease_seconds:
        raise InputError(
            f"ORCH_BEAT_SECONDS={beat_seconds:g} is no shorter than the lease of {lease_seconds:g} s",
            "give a third of it, or leave it out",
        )
    return lease_seconds, beat_seconds


def seconds_from_environment(name: str, default: float) -> float:
    """A positive number of seconds from the environment.

    Raises:
        InputError: it is something else.
    """
    text = os.environ.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < _NEVER_SECONDS:
        raise InputError(f"{name}={text!r} is not a number of seconds", "give one above 0, such as 90")
    return seconds
