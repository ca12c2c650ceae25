"""Whether the root's file system does what the queue asks of it: one small probe for each promise."""

from __future__ import annotations

import errno
import os
import statistics
import time
from pathlib import Path
from typing import Final

from jobs import layout
from jobs.fitness import sync_folder
from jobs.sessions import CLAIMS_PER_TICKET
from jobs.statx import force_sync
from orchestrator.doctor.corner import REGISTERS, TICKETS, Corner
from orchestrator.doctor.finding import Finding, Section, Values, Verdict, in_words

# A session's claims, what it releases and what it evicts each have a ticket; none gets more names than this.
_LINKS_NEEDED: Final = CLAIMS_PER_TICKET + 100
_LINKS_TRIED: Final = 1_100
_NAMES_TRIED: Final = 3_000
_SECONDS: Final = 4.0
_LINKS_SECONDS: Final = 12.0
_TRIES: Final = 20
_CLOCK_SECONDS: Final = 60.0
_RECORD: Final = b"x" * 512
# As long as the name of any register: a job's id, an attempt of five digits, and a suffix.
_LONGEST_NAME: Final = "x" * layout.MAX_JOB_ID + ".10000.void"
_BETTER_ROOT: Final = "give a root on NFS, ext4, xfs or btrfs (--root)"


def _unfit(name: str, measured: str, remedy: str = _BETTER_ROOT) -> Finding:
    return Finding(Section.ROOT, name, measured, Verdict.UNFIT, remedy)


def _make_durable(path: Path, data: bytes = _RECORD) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exclusive_create(corner: Corner) -> Finding:
    """A file is made once: O_EXCL, written, synced, the folder synced, and refused the second time."""
    path = corner.folder / TICKETS / "exclusive"
    _make_durable(path)
    try:
        _make_durable(path)
    except FileExistsError:
        pass
    else:
        return _unfit("exclusive create", "a file that was there was made a second time")
    if path.read_bytes() != _RECORD:
        return _unfit("exclusive create", "a synced file does not read as it was written")
    sync_folder(str(path.parent))
    return Finding(Section.ROOT, "exclusive create", "made once, written, synced; the second refused")


def hard_link(corner: Corner) -> Finding:
    """A link into another folder, under the longest name that orch uses: made once, and the same file."""
    source, target = corner.folder / TICKETS / "ticket", corner.folder / REGISTERS / _LONGEST_NAME
    _make_durable(source)
    target.hardlink_to(source)
    try:
        target.hardlink_to(source)
    except FileExistsError:
        pass
    else:
        return _unfit("hard link", "a link to a name that was there was not refused")
    one, two = force_sync(str(source)), force_sync(str(target))
    if one.inode != two.inode or source.stat().st_ino != target.stat().st_ino:
        return _unfit("hard link", "two names of one file show different inodes: nobody can tell whose a claim is")
    if two.links != 2:
        return _unfit("hard link", f"a file with two names counts {two.links}")
    return Finding(
        Section.ROOT, "hard link", f"between folders, a name of {len(_LONGEST_NAME)} characters; the second refused"
    )


def rename(corner: Corner) -> Finding:
    """A rename over a file, as sessions' notes are written, and over a symbolic link, as `result` is."""
    folder = corner.folder / TICKETS
    old, new, pointer = folder / "old", folder / "new", folder / "pointer"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    new.replace(old)
    if old.read_bytes() != b"new" or new.exists():
        return _unfit("rename", "a file that was replaced by another does not read as the other")
    try:
        pointer.symlink_to("old")
        (folder / "newer").symlink_to("new")
        (folder / "newer").replace(pointer)
    except OSError as error:
        remedy = "jobs/<job>/result will be missing; orch itself does not need it"
        measured = f"files yes; symbolic links no: {error.strerror}"
        return Finding(Section.ROOT, "rename", measured, Verdict.NOTE, remedy)
    return Finding(Section.ROOT, "rename", "replaces a file and a symbolic link")


def links_in_one_folder(corner: Corner) -> Finding:
    """How many names one file may have, and whether a folder lists some thousand names."""
    folder = corner.folder / "many"
    folder.mkdir()
    until = time.monotonic() + _SECONDS
    most, names = _most_links(corner, folder, until)
    while names < _NAMES_TRIED and time.monotonic() < until:
        names += _link_again(corner, folder, names, min(_LINKS_NEEDED, _NAMES_TRIED - names), until)
    began = time.monotonic()
    listed = len(os.listdir(folder))  # noqa: PTH208  names, not paths
    seconds = time.monotonic() - began
    values: Values = {
        "links": min(names, _LINKS_TRIED) if most is None else most,
        "is_bound_met": most is not None,
        "names": names,
        "listing_seconds": seconds,
    }
    tried = min(names, _LINKS_TRIED)
    bound = f"{most:,} of one file and no more" if most is not None else f"{tried:,} of one file"
    if most is None and tried < _LINKS_NEEDED:
        bound += f" in {_LINKS_SECONDS:g} s"
    measured = f"{names:,} names made, {bound}; listed in {in_words(seconds)}"
    name = "links in one folder"
    if listed != names:
        return _unfit(name, f"{names:,} names were made and {listed:,} are listed")
    if most is not None and most < _LINKS_NEEDED:
        return Finding(
            Section.ROOT, name, measured, Verdict.UNFIT, f"orch needs {_LINKS_NEEDED}: {_BETTER_ROOT}", values=values
        )
    return Finding(Section.ROOT, name, measured, values=values)


def _most_links(corner: Corner, folder: Path, until: float) -> tuple[int | None, int]:
    """The bound of links if it was met, and how many links there are now."""
    source = corner.folder / TICKETS / "many"
    _make_durable(source)
    for count in range(_LINKS_TRIED):
        # What is needed may take longer than what is only worth knowing.
        patience = 0.0 if count >= _LINKS_NEEDED else _LINKS_SECONDS - _SECONDS
        if time.monotonic() > until + patience:
            return None, count
        try:
            os.link(source, folder / f"{count}")
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            return count, count
    return None, _LINKS_TRIED


def _link_again(corner: Corner, folder: Path, first: int, count: int, until: float) -> int:
    """Further names in the folder, all of another file; how many were made in time."""
    source = corner.folder / TICKETS / f"many.{first}"
    _make_durable(source)
    for number in range(count):
        if time.monotonic() > until:
            return number
        try:
            os.link(source, folder / f"{first + number}")
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            return number
    return count


def forced_look(corner: Corner) -> Finding:
    """A look with AT_STATX_FORCE_SYNC, as every look at a lease is, tells a change at once."""
    path = corner.folder / TICKETS / "look"
    _make_durable(path)
    try:
        before = force_sync(str(path))
    except OSError as error:
        remedy = "orch needs statx: a kernel of 4.11 or newer, and a container runtime that lets it through"
        return _unfit("forced look", f"statx with AT_STATX_FORCE_SYNC: {error.strerror}", remedy)
    os.utime(path, ns=(0, 1_000_000_000))
    took = []
    for _ in range(_TRIES):
        began = time.monotonic()
        now = force_sync(str(path))
        took.append(time.monotonic() - began)
    if now.mtime_ns == before.mtime_ns:
        return _unfit("forced look", "a time that this process changed itself does not show")
    values: Values = {"median_seconds": statistics.median(took), "slowest_seconds": max(took)}
    return Finding(Section.ROOT, "forced look", _spread(took), slowest_seconds=max(took), values=values)


def durable_put(corner: Corner) -> Finding:
    """What an end costs: a record written and synced, linked, the folder synced."""
    took = []
    until = time.monotonic() + _SECONDS
    for number in range(_TRIES):
        source = corner.folder / TICKETS / f"put.{number}"
        began = time.monotonic()
        _make_durable(source)
        os.link(source, corner.folder / REGISTERS / f"put.{number}")
        sync_folder(str(corner.folder / REGISTERS))
        took.append(time.monotonic() - began)
        if time.monotonic() > until:
            break
    values: Values = {"median_seconds": statistics.median(took), "slowest_seconds": max(took)}
    return Finding(Section.ROOT, "durable put", _spread(took), slowest_seconds=max(took), values=values)


def _spread(took: list[float]) -> str:
    return f"{in_words(statistics.median(took))}, the slowest of {len(took)} {in_words(max(took))}"


def server_clock(corner: Corner) -> Finding:
    """How far the file server's clock is from this host's."""
    path = corner.folder / TICKETS / "clock"
    before = time.time()
    _make_durable(path)
    after = time.time()
    server = force_sync(str(path)).mtime_ns / 1e9
    offset = server - (before + after) / 2
    if before - 0.05 <= server <= after:  # the server's clock ticks more coarsely than this host's is read
        offset = 0.0
    values: Values = {"offset_seconds": round(offset, 3)}
    if not offset:
        return Finding(Section.ROOT, "server's clock", "as this host's", values=values)
    which = "ahead of" if offset > 0 else "behind"
    measured = f"{in_words(abs(offset))} {which} this host's"
    if abs(offset) <= _CLOCK_SECONDS:
        return Finding(Section.ROOT, "server's clock", f"{measured}; orch compares no clocks", values=values)
    remedy = "orch compares no clocks; your own tools may (make, rsync): keep hosts and server in step with chrony"
    return Finding(Section.ROOT, "server's clock", measured, Verdict.NOTE, remedy, values=values)
