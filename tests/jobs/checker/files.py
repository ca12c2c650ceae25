"""A folder as a short string of bytes: one place for each name that can ever be made, and which file stands there.

Private files concern nobody else, so they stand in no folder: they are there while somebody may still put them.
Three things are left out of a folder, as no decision of the code reads them (see `docs` of each): who put a ticket
that ends an attempt, whose record an end is once its owner can put it no more, and the lease of a session with an end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from jobs import layout
from jobs.records import End, EndRecord, decode_claimer, decode_end, is_fresh_void
from jobs.sessions import tickets
from jobs.store import ABSENT, Absent, Stamp, Won
from tests.jobs.checker.folder import As, Folder
from tests.jobs.checker.naming import Naming
from tests.jobs.checker.shape import (
    EXPERIMENT,
    LEASE_SECONDS,
    SID,
    SPARE_ATTEMPTS,
    SPARE_SESSIONS,
    TEMP,
    Shape,
    claimer_of,
    sid_of,
    tickets_of,
    worker_of,
)

NOTHING: Final = 0
_SESSION_ENDED: Final = "=closed"


class UnknownPlaceError(Exception):
    """A name beyond the explored bounds."""


class Files:
    """Names, files, and what requests do to a folder.

    Attributes:
        paths: what stands at each place of a folder; the place after the last path holds a put that is late.
        files: name of each file; one that begins with `=` is of no particular owner.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.attempts = shape.attempts + SPARE_ATTEMPTS
        self.sessions = shape.sessions + SPARE_SESSIONS
        self.paths = [*self._registers(), *self._session_files()]
        self.registers = sum(1 for _ in self._registers())
        self.place = {path: place for place, path in enumerate(self.paths)}
        self.leases = {place for path, place in self.place.items() if path.endswith(".lease")}
        self.late_place, self.spare_place = len(self.paths), len(self.paths) + 1
        self.claims = [
            (self.place[layout.claim(EXPERIMENT, id_, n)], self.place[layout.end(EXPERIMENT, id_, n)], (job, n))
            for job, id_ in enumerate(shape.job_ids)
            for n in range(1, self.attempts + 1)
        ]
        self.owners = [("", -1)]
        self.files = [""]
        self.classes: dict[As, list[int]] = {
            As.FILE: list(range(256)),
            As.CONTENT: [0],
            As.NAME: [0] + [1] * 255,
        }
        self._contents: dict[bytes, int] = {}
        self.numbers: dict[str, int] = {}
        self.data: dict[str, bytes] = {}
        self.late: list[tuple[int, int]] = [(0, 0)]
        self._folders: dict[str, list[tuple[int, str]]] = {}
        self._tables: dict[object, tuple[int, bytes]] = {}
        self._orders: dict[Naming, list[int]] = {}

    def _registers(self) -> Iterator[str]:
        for job in self.shape.job_ids:
            for attempt in range(1, self.attempts + 1):
                yield layout.claim(EXPERIMENT, job, attempt)
                yield layout.end(EXPERIMENT, job, attempt)
                yield layout.void(EXPERIMENT, job, attempt)
                yield layout.done_marker(EXPERIMENT, job, attempt)

    def _session_files(self) -> Iterator[str]:
        for worker in range(self.shape.workers + 1):
            for number in range(self.sessions):
                yield layout.session_end(sid_of(worker, number))
                yield layout.lease(sid_of(worker, number))
        yield layout.session_end(self.shape.nobody)
        yield layout.lease(self.shape.nobody)

    @property
    def empty(self) -> Folder:
        """The session of nobody has ended; so many more may be opened."""
        folder = Folder(bytes(len(self.paths) + 2)).changed(self.spare_place, self.shape.spare_sessions)
        return folder.changed(self.place[layout.session_end(self.shape.nobody)], self.file(_SESSION_ENDED))

    # --- files ------------------------------------------------------------------------------------------------------

    def file(self, name: str) -> int:
        if name not in self.numbers:
            self.numbers[name] = len(self.files)
            self.files.append(name)
            content = self.content(self.numbers[name])
            self.owners.append(_claimed_by(content))
            self.classes[As.CONTENT].append(self._contents.setdefault(content, len(self._contents) + 1))
            assert len(self.files) < 256, "a folder's places are bytes"
        return self.numbers[name]

    def content(self, number: int) -> bytes:
        name = self.files[number]
        if name not in self.data:
            self.data[name] = _content(name)
        return self.data[name]

    def kind(self, number: int) -> End | None:
        """Of an end; None: there is none."""
        return _kind(self.content(number)) if number else None

    def is_fresh(self, number: int) -> bool:
        return is_fresh_void(self.content(number))

    def owner(self, number: int) -> str:
        """Whose claim ticket it is."""
        return _owner(self.content(number))

    # --- requests ---------------------------------------------------------------------------------------------------

    def put(self, folder: Folder, src: str, dst: str, made: Mapping[str, bytes] | None = None) -> tuple[Won, Folder]:
        place = self._place(dst)
        file = self._source(folder, src, dst, made or {})
        if not file:
            return Won.GONE, folder
        if there := folder[place]:
            return (Won.MINE if there == file else Won.THEIRS), folder
        return Won.MINE, self.with_file(folder, place, file)

    def _place(self, path: str) -> int:
        if (place := self.place.get(path)) is None:
            raise UnknownPlaceError(path)
        return place

    def _source(self, folder: Folder, src: str, dst: str, made: Mapping[str, bytes]) -> int:
        if src in self.place:
            return folder[self.place[src]]
        if not self.shape.is_reduced:
            return self.file(self._made(src, made))
        # Nobody asks whose ticket ended a session or an attempt, or who took an end back: mine and theirs are alike.
        if dst.startswith(layout.SESSIONS) and dst.endswith(".end"):
            return self.file(_SESSION_ENDED)
        if dst.endswith(".void"):
            return self.file("=fresh" if is_fresh_void(made[src]) else "=void")
        if dst.endswith(".end") and (kind := _ticket_kind(src)):
            return self.file(f"={kind}")
        return self.file(self._made(src, made))

    def _made(self, src: str, made: Mapping[str, bytes]) -> str:
        if src not in made:
            return src
        name = f"{src} {made[src].decode()}"
        self.data[name] = made[src]
        return name

    def with_file(self, folder: Folder, place: int, file: int) -> Folder:
        folder = folder.changed(place, file)
        path = self.paths[place]
        if path.startswith(layout.SESSIONS) and self.shape.is_reduced:
            # The lease of a session with an end tells nobody anything: they all read the end first, or lose their put.
            end = self.place[path.replace(".lease", ".end")]
            if folder.has(end):
                return folder.changed(end + 1, NOTHING)
        return folder

    def read(self, folder: Folder, path: str) -> bytes | Absent:
        file = folder.ask(self._place(path), As.CONTENT)
        return self.content(file) if file else ABSENT

    def list(self, folder: Folder, path: str, own: str = "") -> tuple[str, ...]:
        """The names in a folder that begin with `own`."""
        prefix = f"{path}/{own}"
        if prefix not in self._folders:
            places = [(place, name) for place, name in enumerate(self.paths) if name.startswith(prefix)]
            self._folders[prefix] = [(place, name.removeprefix(f"{path}/")) for place, name in places]
        return tuple(name for place, name in self._folders[prefix] if folder.has(place))

    def look(self, folder: Folder, path: str) -> Stamp | Absent:
        """Times stand still here: whether a lease moves is said by the sighting that a watch begins with."""
        if path not in self.place:
            return Stamp(0, 0, 0, 1)
        file = folder[self.place[path]]
        if not file:
            return ABSENT
        name = self.files[file]
        if name.startswith(("beating ", "silent ")):
            return Stamp(self.file(f"lease {name.partition(' ')[2]}"), 0, 0, 1, LEASE_SECONDS, LEASE_SECONDS)
        return Stamp(file, 0, 0, 2, LEASE_SECONDS, LEASE_SECONDS)

    # --- sessions ---------------------------------------------------------------------------------------------------

    def has_ended(self, folder: Folder, sid: str) -> bool:
        return folder.has(self.place[layout.session_end(sid)])

    def is_over(self, folder: Folder, path: str) -> bool:
        """Whether it is the lease of a session with an end: that lease tells nobody anything."""
        place = self.place.get(path)
        return place in self.leases and folder.has(self.place[path.replace(".lease", ".end")])

    def lease_place(self, sid: str) -> int:
        return self.place[layout.lease(sid)]

    def lease_is(self, folder: Folder, sid: str, *states: str) -> bool:
        """Whether the session's own lease stands: `beating` or `silent`."""
        file = folder[self.lease_place(sid)]
        return bool(file) and self.files[file] in {f"{state} {sid}" for state in states}

    def open_lease(self, folder: Folder, sid: str) -> Folder:
        return self.with_file(folder, self.lease_place(sid), self.file(f"beating {sid}"))

    def silence(self, folder: Folder, sid: str) -> Folder:
        """Nobody beats for this session any more."""
        if not self.lease_is(folder, sid, "beating"):
            return folder
        return self.with_file(folder, self.lease_place(sid), self.file(f"silent {sid}"))

    # --- names that no longer matter --------------------------------------------------------------------------------

    def disown(self, folder: bytes, owner: str, kept: frozenset[str]) -> bytes:
        """Records whose owner can put them no more, but for those `kept`, are told apart by their kind alone.

        Args:
            folder: as it is.
            owner: what the paths of the owner's private files begin with.
            kept: files, by name, that may still be put.
        """
        table = self._table((owner, kept), lambda name: _disowned(name, owner, kept))
        return folder[: self.late_place].translate(table) + folder[self.late_place :]

    def settle(
        self, folder: bytes, worker: int, open_claims: frozenset[tuple[int, int]], old: tuple[str, ...]
    ) -> bytes:
        """A worker's claims that have ended and that it can put no more are anybody's; so are its old sessions.

        Who owns a claim is asked only where its end is not known. If it is there all the same, then the claim is either
        left alone or gone about as if the end were known. A session is asked for only by way of its claims.

        Args:
            folder: as it is.
            worker: whose claims.
            open_claims: (job, attempt) that it may still put, run or end.
            old: its sessions that no living process of it knows.
        """
        changed, owned = bytearray(folder), set()
        for claim, end, key in self.claims:
            sid, owner = self.owners[changed[claim]]
            if owner == worker:
                if changed[end] and key not in open_claims:
                    changed[claim] = self.file(tickets_of(self.shape.nobody).claim)
                else:
                    owned.add(sid)
        for sid in old:
            if sid not in owned:
                end = self.place[layout.session_end(sid)]
                changed[end], changed[end + 1] = self.file(_SESSION_ENDED), NOTHING
        return bytes(changed)

    def _table(self, key: object, rename: object) -> bytes:
        size, table = self._tables.get(key, (0, b""))
        while size != len(self.files):
            size = len(self.files)
            names = [rename(name) for name in self.files[1:size]]  # type: ignore[operator]
            table = bytes([0, *map(self.file, names)]).ljust(256, b"\0")
            self._tables[key] = (size, table)
        return table

    # --- other names ------------------------------------------------------------------------------------------------

    def renamed(self, folder: bytes, naming: Naming) -> bytes:
        """The same folder, had workers and jobs other names."""
        if naming not in self._orders:
            order = [0] * len(self.paths)
            for place, path in enumerate(self.paths):
                order[self.place[naming.text(path)]] = place
            self._orders[naming] = order
        there = folder[: self.late_place].translate(self._table(naming, naming.text))
        late = self._renamed_late(folder[self.late_place], naming)
        return bytes([*map(there.__getitem__, self._orders[naming]), late, folder[self.spare_place]])

    def _renamed_late(self, number: int, naming: Naming) -> int:
        file, place = self.late[number]
        if not number:
            return 0
        return self.late_number(self.file(naming.text(self.files[file])), self.place[naming.text(self.paths[place])])

    def renamed_stamp(self, stamp: Stamp, naming: Naming) -> int:
        return self.file(naming.text(self.files[stamp.inode])) if stamp.inode else 0

    # --- late puts --------------------------------------------------------------------------------------------------

    def late_number(self, file: int, place: int) -> int:
        if (file, place) not in self.late:
            self.late.append((file, place))
            assert len(self.late) < 256, "a folder's places are bytes"
        return self.late.index((file, place))

    def put_late(self, folder: Folder, src: str, dst: str, made: Mapping[str, bytes] | None = None) -> Folder:
        """The put is on its way still."""
        file = self._source(folder, src, dst, made or {})
        return folder.changed(self.late_place, self.late_number(file, self._place(dst)))

    def arrived(self, folder: Folder) -> Folder:
        """The late put takes effect, if it still can."""
        file, place = self.late[folder[self.late_place]]
        folder = folder.changed(self.late_place, NOTHING)
        if folder[place]:
            return folder
        return self.with_file(folder, place, self._as_told_now(folder, place, file))

    def _as_told_now(self, folder: Folder, place: int, file: int) -> int:
        """A marker's file is its end's: should that be told by its kind alone by now, so is the marker."""
        path = self.paths[place]
        if f"/{layout.DONE}/" not in path:
            return file
        end = folder[self.place[f"{path.replace(f'/{layout.DONE}/', f'/{layout.LOG}/')}.end"]]
        return end if end and self.files[end] == _disowned(self.files[file], "", ()) else file


@lru_cache(maxsize=4096)
def _kind(data: bytes) -> End:
    return decode_end(data).kind


@lru_cache(maxsize=4096)
def _owner(data: bytes) -> str:
    return decode_claimer(data).sid


def _claimed_by(content: bytes) -> tuple[str, int]:
    """The session and the worker of a claim ticket."""
    try:
        sid = _owner(content)
    except ValueError:
        return "", -1
    return sid, worker_of(sid)


def _content(name: str) -> bytes:
    if name == "=fresh":
        return b'{"void": true, "fresh": true}'
    if name == "=void":
        return b'{"void": true, "fresh": false}'
    if name.startswith("="):
        return EndRecord(End(name[1:]), {}).encode()
    if match := TEMP.search(name):
        return EndRecord(End(match[3]), {}).encode()
    sid = SID.search(name)
    for roll in range(8) if sid else ():
        for make in tickets(claimer_of(sid[0]), roll)[1]:  # type: ignore[index]
            if make.path == name:
                return make.data
    return name.encode()


def _ticket_kind(src: str) -> str:
    name = "" if TEMP.search(src) else src.rpartition(".")[2].rstrip("0123456789")
    return name if name in {"released", "evicted", "closed"} else ""


def _disowned(name: str, owner: str, kept: Iterable[str]) -> str:
    if not name.startswith(owner) or name in kept:
        return name
    if match := TEMP.search(name):
        return f"={match[3]}"
    return "=cancelled" if '"cancelled"' in name else name
