"""A folder in memory that answers requests as a shared one may: late, not at all, or without saying what it did."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum, auto

from jobs.store import (
    ABSENT,
    Failed,
    List,
    Look,
    Make,
    Point,
    Put,
    Read,
    Reply,
    Request,
    Stamp,
    Sync,
    Unlink,
    Won,
)


class Fault(Enum):
    """What goes wrong with one request."""

    NO_REPLY = auto()  # it took effect, and its asker does not learn that
    NO_EFFECT = auto()  # it never reached the folder, and its asker does not learn that
    HIDDEN = auto()  # a name that is there does not show


@dataclass
class MemoryStore:
    """Names, inodes and links of a folder.

    Attributes:
        inodes: path -> inode; several names may share one.
        links: symbolic links.
    """

    inodes: dict[str, int] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _next_inode: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def answer(self, request: Request, fault: Fault | None = None) -> Reply:
        """Carry a request out, or pretend not to have."""
        if isinstance(request, Put):
            return self._put(request, fault)
        if fault is Fault.HIDDEN and isinstance(request, Read | Look):
            return ABSENT
        reply = Failed("never reached") if fault is Fault.NO_EFFECT else self._answer(request)
        return reply if fault is None else Failed("server away")

    def _put(self, put: Put, fault: Fault | None) -> Won:
        if fault in {Fault.NO_EFFECT, Fault.HIDDEN}:
            return Won.UNKNOWN
        won = self._link(put.src, put.dst)
        return Won.UNKNOWN if fault is Fault.NO_REPLY else won

    def _link(self, source: str, target: str) -> Won:
        if source not in self.inodes:
            return Won.GONE
        if target in self.inodes:
            return Won.MINE if self.inodes[target] == self.inodes[source] else Won.THEIRS
        self._name(target, self.inodes[source])
        return Won.MINE

    def _name(self, path: str, inode: int) -> None:
        self.inodes[path] = inode
        folder, _, name = path.rpartition("/")
        self.folders[folder].add(name)

    def _answer(self, request: Request) -> Reply:
        match request:
            case Read(path):
                return self.read(path) if path in self.inodes else ABSENT
            case Look(path):
                return self._look(path)
            case List(folder):
                return tuple(sorted(self.folders[folder]))
            case Make(path, data):
                return self._make(path, data)
            case Unlink(path):
                self._unlink(path)
            case Point(path, target):
                self._point(path, target)
            case Sync() | Put():
                pass
        return None

    def _make(self, path: str, data: bytes) -> Failed | None:
        if path in self.inodes:
            return Failed("it is there")
        inode = next(self._next_inode)
        self.contents[inode] = data
        self._name(path, inode)
        return None

    def _look(self, path: str) -> Reply:
        if path not in self.inodes:
            return ABSENT
        inode = self.inodes[path]
        return Stamp(inode, 0, 0, list(self.inodes.values()).count(inode))

    def _unlink(self, path: str) -> None:
        if self.inodes.pop(path, None) is not None:
            folder, _, name = path.rpartition("/")
            self.folders[folder].discard(name)

    def _point(self, path: str, target: str | None) -> None:
        if target is None:
            self.links.pop(path, None)
        else:
            self.links[path] = target

    def read(self, path: str) -> bytes:
        """What stands behind a name."""
        return self.contents[self.inodes[path]]
