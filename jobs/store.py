"""Requests to a shared folder, and the thin driver that carries them out on a real one.

Operations (`jobs.queue`, `jobs.sessions`) never touch a file: they are values with a `step(reply)` that answers with
the next request or a result, so the very code that workers run can also be driven over a folder in memory, one request
at a time, with any reply that a real folder might give.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from jobs.errors import one_line
from jobs.fitness import sync_folder, unfit
from jobs.statx import force_sync

# --- requests: paths are relative to the root -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Put:
    """Link `src` to `dst` unless `dst` is there: the one primitive. Reply: Won."""

    src: str
    dst: str


@dataclass(frozen=True, slots=True)
class Read:
    """Reply: bytes, Absent or Failed."""

    path: str


@dataclass(frozen=True, slots=True)
class List:
    """The names in a folder, asked of the server itself. Reply: a tuple of names (empty: no such folder) or Failed.

    Attributes:
        is_fresh: the folder was looked at just now, so the server need not be asked again what it knows of it.
    """

    folder: str
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """Inode and times of a file, asked of the server itself. Reply: Stamp, Absent or Failed."""

    path: str


@dataclass(frozen=True, slots=True)
class Make:
    """A new private file with all of its bytes on disk. Reply: None or Failed."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Unlink:
    """Remove a name; one that is not there is fine. Reply: None or Failed."""

    path: str


@dataclass(frozen=True, slots=True)
class Sync:
    """Put a folder's names on disk. Reply: None or Failed."""

    folder: str


@dataclass(frozen=True, slots=True)
class Point:
    """Let the symbolic link `path` lead to `target`, a name beside it; None: remove the link. Reply: None or Failed."""

    path: str
    target: str | None


Request = Put | Read | List | Look | Make | Unlink | Sync | Point

# --- replies --------------------------------------------------------------------------------------------------------


class Won(Enum):
    """What a put came to."""

    MINE = auto()
    THEIRS = auto()
    UNKNOWN = auto()  # it may or may not have taken effect: ask again with the same source
    GONE = auto()  # the source is of no more use: swept with its session, or it can bear no more names


class Absent:
    """The name did not show. Never proof that it is not there."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Failed:
    """The folder could not be asked, for a passing reason; `number` is the system's, where it gave one."""

    error: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file's identity and times; `asked` and `answered` are seconds on the asker's own monotonic clock."""

    inode: int
    mtime_ns: int
    ctime_ns: int
    links: int
    asked: float = 0.0
    answered: float = 0.0


Reply = Won | bytes | tuple[str, ...] | Stamp | Absent | Failed | None

# --- operations -----------------------------------------------------------------------------------------------------

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Finished(Generic[R_co]):
    """An operation is over, with this result."""

    result: R_co


class Operation(Protocol[R_co]):
    """A value that is asked for its next request; immutable, so that a checker can branch from any step."""

    def step(self, reply: Reply) -> tuple[Operation[R_co], Request] | Finished[R_co]: ...


class Store(Protocol):
    """A folder that answers requests."""

    def answer(self, request: Request) -> Reply: ...


def carry_out(operation: Operation[R], store: Store) -> R:
    """Drive an operation to its end over a store."""
    reply: Reply = None
    while not isinstance(outcome := operation.step(reply), Finished):
        operation, request = outcome
        reply = store.answer(request)
    return outcome.result


# --- a real folder --------------------------------------------------------------------------------------------------

# No retry mends these, where nobody is mending the folder, or the way it is mounted, meanwhile.
_REFUSALS: Final = {errno.EPERM, errno.EACCES, errno.EROFS, errno.EXDEV, errno.ENAMETOOLONG}
_PUT_TRIES: Final = 3


class FolderStore:
    """The store that a root on a real file system is.

    Args:
        root: the shared folder.
        clock: seconds, monotonic; stamps carry it.
        on_trouble: told of every error that the folder answered with, and whether it was asked to write. With it the
            store is a patient one: a refusal is trouble like any other, as a server that starts again may refuse for a
            while what it will grant, and a mount that turned read-only may be mended.
    """

    def __init__(
        self,
        root: Path,
        clock: Callable[[], float] = time.monotonic,
        on_trouble: Callable[[OSError, bool], None] | None = None,
    ) -> None:
        self.root = root
        self.on_trouble = on_trouble
        self._prefix = os.fspath(root) + "/"
        self._clock = clock
        self._made: set[str] = set()

    def answer(self, request: Request) -> Reply:
        """Carry a request out.

        Raises:
            HostUnfitError: the folder refuses, and this store is not patient.
        """
        try:
            return self._answer(request)
        except OSError as error:
            self.tell(error, is_write=not isinstance(request, Read | List | Look))
            return Won.UNKNOWN if isinstance(request, Put) else Failed(one_line(error), error.errno)

    def tell(self, error: OSError, *, is_write: bool) -> None:
        """Note an error of this folder.

        Raises:
            HostUnfitError: it is a refusal, and this store is not patient.
        """
        if self.on_trouble is not None:
            self.on_trouble(error, is_write)
        elif error.errno in _REFUSALS:
            raise unfit(error) from error

    def _answer(self, request: Request) -> Reply:
        match request:
            case Put(src, dst):
                return self._put(src, dst)
            case Read(path):
                return self._read(path)
            case List(folder, is_fresh):
                return self._list(folder, is_fresh=is_fresh)
            case Look(path):
                return self._look(path)
            case Make(path, data):
                self._make(path, data)
            case Unlink(path):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._prefix + path)  # noqa: PTH108  str paths: this is the hot path
            case Sync(folder):
                sync_folder(self._prefix + folder)
            case Point(path, target):
                self._point(path, target)
        return None

    def _put(self, src: str, dst: str) -> Won:
        source, target = self._prefix + src, self._prefix + dst
        trouble: OSError | None = None
        for _ in range(_PUT_TRIES):
            try:
                os.link(source, target)
            except FileExistsError:
                pass
            except OSError as error:
                if error.errno in _REFUSALS:
                    raise
                if error.errno == errno.EMLINK:
                    return Won.GONE
                trouble = error
                if error.errno == errno.ENOENT:
                    self._make_parent(dst)
            else:
                return Won.MINE
            if (won := self._whose(source, target)) is not Won.UNKNOWN:
                return won
        if trouble is not None:
            self.tell(trouble, is_write=True)
        return Won.UNKNOWN

    def _whose(self, source: str, target: str) -> Won:
        """After an error of link(): the reply may have been lost, so compare inodes."""
        try:
            mine = os.stat(source)  # noqa: PTH116
        except FileNotFoundError:
            return Won.GONE
        except OSError:
            return Won.UNKNOWN
        try:
            there = os.stat(target)  # noqa: PTH116
        except OSError:
            return Won.UNKNOWN
        return Won.MINE if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino) else Won.THEIRS

    def _make_parent(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent in self._made:
            return
        missing = []
        folder = Path(self._prefix + parent)
        while not folder.is_dir() and folder != self.root:
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            sync_folder(str(folder.parent))
        self._made.add(parent)

    def _read(self, path: str) -> bytes | Absent:
        try:
            descriptor = os.open(self._prefix + path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return ABSENT
        try:
            # In one piece where it comes so: plans are large, and joining copies them.
            data = os.read(descriptor, os.fstat(descriptor).st_size + 1)
            while more := os.read(descriptor, 1 << 20):
                data += more
            return data
        finally:
            os.close(descriptor)

    def _list(self, folder: str, *, is_fresh: bool) -> tuple[str, ...]:
        try:
            if not is_fresh:
                force_sync(self._prefix + folder)
            return tuple(os.listdir(self._prefix + folder))  # noqa: PTH208
        except FileNotFoundError:
            return ()

    def _look(self, path: str) -> Stamp | Absent:
        asked = self._clock()
        try:
            seen = force_sync(self._prefix + path)
        except FileNotFoundError:
            return ABSENT
        return Stamp(seen.inode, seen.mtime_ns, seen.ctime_ns, seen.links, asked, self._clock())

    def _make(self, path: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            descriptor = os.open(self._prefix + path, flags, 0o666)
        except FileNotFoundError:
            self._make_parent(path)
            descriptor = os.open(self._prefix + path, flags, 0o666)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except OSError:
            # Ours by O_EXCL: without its rest it would only stand in the way of the next try.
            with contextlib.suppress(OSError):
                os.unlink(self._prefix + path)  # noqa: PTH108
            raise
        finally:
            os.close(descriptor)

    def _point(self, path: str, target: str | None) -> None:
        link = self._prefix + path
        if target is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(link)  # noqa: PTH108
            return
        self._make_parent(path)
        temporary = f"{link}.{os.urandom(6).hex()}"
        os.symlink(target, temporary)  # noqa: PTH211
        os.replace(temporary, link)  # noqa: PTH105
