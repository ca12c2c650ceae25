"""Who holds the open claims under a root."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs import layout
from jobs.records import Claimer, decode_claimer
from jobs.store import FolderStore, Look, Read, Stamp

Key = tuple[str, str, int]  # experiment, job, attempt


@dataclass
class Holders:
    """The open claims that are known, by who made them.

    Attributes:
        who: claim -> its claimer, of open claims only.
        unread: open claims whose claimer is not known yet.
        claimers: inode of a ticket -> whose it is.
    """

    store: FolderStore
    who: dict[Key, Claimer] = field(default_factory=dict)
    unread: set[Key] = field(default_factory=set)
    claimers: dict[int, Claimer] = field(default_factory=dict)
    _keys: dict[str, set[Key]] = field(default_factory=dict)

    def opened(self, key: Key) -> None:
        """An open claim shows."""
        if key not in self.who:
            self.unread.add(key)

    def closed(self, key: Key) -> None:
        """A claim is open no more."""
        self.unread.discard(key)
        owner = self.who.pop(key, None)
        if owner is not None:
            keys = self._keys[owner.sid]
            keys.discard(key)
            if not keys:
                del self._keys[owner.sid]

    def note(self, key: Key, owner: Claimer) -> None:
        """An open claim's claimer is known."""
        if key in self.unread:
            self.unread.discard(key)
            self.who[key] = owner
            self._keys.setdefault(owner.sid, set()).add(key)

    def read(self) -> list[Key]:
        """Find out who made the claims that are not known yet; those that are now."""
        found = [(key, owner) for key in list(self.unread) if (owner := self._read(key))]
        for key, owner in found:
            self.note(key, owner)
        return [key for key, _ in found]

    def keys_of(self, sid: str) -> frozenset[Key]:
        """The open claims of a session."""
        return frozenset(self._keys.get(sid, ()))

    def owners(self) -> dict[str, Claimer]:
        """Sessions that own an open claim, by sid."""
        return {sid: self.who[next(iter(keys))] for sid, keys in self._keys.items()}

    def _read(self, key: Key) -> Claimer | None:
        """Who claimed an attempt; a session's ticket is opened once, then known by its inode.

        All claims of a session are names of one file, which stays as long as one of them does. An NFS 4 server lends to
        whoever opens a file for reading the promise that it will not change, and calls that back before the file gets
        its next name: a host that dies with such a promise would hold up the session's next claim for over a minute.
        """
        path = layout.claim(*key)
        stamp = self.store.answer(Look(path))
        if not isinstance(stamp, Stamp):
            return None
        if stamp.inode not in self.claimers:
            data = self.store.answer(Read(path))
            try:
                self.claimers[stamp.inode] = decode_claimer(data if isinstance(data, bytes) else b"")
            except ValueError:  # not a claim of ours: whoever wrote it has to mend it
                return None
        return self.claimers[stamp.inode]
