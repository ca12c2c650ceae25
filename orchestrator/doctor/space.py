"""Room for files: bytes and inodes, and from when on there is too little."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from orchestrator.doctor.finding import Finding, Section, Values, Verdict

_MIB: Final = 1 << 20
_GIB: Final = 1 << 30
# A checkpoint of a small network and the records around it; below this even a first job would not finish.
_LEAST_BYTES: Final = 64 * _MIB
_FEW_BYTES: Final = 2 * _GIB
_LEAST_INODES: Final = 1_000
_FEW_INODES: Final = 50_000


def free_space(folder: Path, section: Section, name: str = "free space") -> Finding:
    """Bytes that this user may still write under a folder."""
    seen = os.statvfs(folder)
    free, total = seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize
    measured = f"{in_bytes(free)} of {in_bytes(total)}"
    values: Values = {"free_bytes": free, "total_bytes": total}
    return Finding(section, name, measured, *_judged(free, _LEAST_BYTES, _FEW_BYTES, section), values=values)


def free_inodes(folder: Path, section: Section) -> Finding:
    """Names that may still be made under a folder; some file systems do not count them."""
    seen = os.statvfs(folder)
    if seen.f_files == 0:
        return Finding(section, "free inodes", "not counted by this file system", values={"free_inodes": None})
    measured = f"{seen.f_favail:,} of {seen.f_files:,}"
    values: Values = {"free_inodes": seen.f_favail, "total_inodes": seen.f_files}
    return Finding(
        section, "free inodes", measured, *_judged(seen.f_favail, _LEAST_INODES, _FEW_INODES, section), values=values
    )


def _judged(free: int, least: int, few: int, section: Section) -> tuple[Verdict, str]:
    other = "give another root (--root)" if section is Section.ROOT else "set TMPDIR to another folder"
    if free < least:
        return Verdict.UNFIT, f"full: delete something, or {other}"
    if free < few:
        return Verdict.NOTE, f"that may not last for a grid: delete something, or {other}"
    return Verdict.GOOD, ""


def in_bytes(count: int) -> str:
    """Bytes for people: 512 KiB, 31 GiB."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")
