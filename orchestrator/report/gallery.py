"""The reliability diagrams that a page shows: a bounded choice of the runs' own pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

from orchestrator.report.records import Run
from orchestrator.report.summary import Group, Summary
from orchestrator.report.tables import flagged, phrase_with_seed

FILE_NAME: Final = "reliability.png"
MAX_PICTURES: Final = 24
MAX_BYTES: Final = 2_000_000
_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Picture:
    """A run's reliability diagram: what the run was, and the bytes of the PNG."""

    job: str
    caption: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures of a page; `available` counts the runs that have a folder to look in."""

    pictures: tuple[Picture, ...]
    available: int

    @property
    def note(self) -> str:
        """Why not every run is here, or nothing."""
        if not self.pictures or len(self.pictures) == self.available:
            return ""
        return (
            f"{len(self.pictures)} of {self.available} runs are shown, "
            "the first seed of each row before the others; "
            f"every run's own diagram is {FILE_NAME} in its folder."
        )


def gallery_of(summary: Summary) -> Gallery:
    """Read the diagrams of up to `MAX_PICTURES` runs; a file that is absent, unreadable or no PNG is passed over."""
    candidates = [run for run in first_seeds_first(summary.groups) if run.folder is not None]
    pictures: dict[str, Picture] = {}
    for run in candidates:
        if len(pictures) == MAX_PICTURES:
            break
        png = read_png(run.folder / FILE_NAME) if run.folder is not None else None
        if png is not None:
            job = run.cell.job
            said = phrase_with_seed(summary.columns, run.cell.values)
            pictures[job] = Picture(job, flagged(said, is_flagged=run.is_test_selected), png)
    in_table_order = [run.cell.job for group in summary.groups for run in group.runs]
    return Gallery(tuple(pictures[job] for job in in_table_order if job in pictures), len(candidates))


def first_seeds_first(groups: Sequence[Group]) -> list[Run]:
    """Every group's first run, then every group's second, and so on."""
    rounds = zip_longest(*(group.runs for group in groups))
    return [run for runs in rounds for run in runs if run is not None]


def read_png(path: Path) -> bytes | None:
    """The bytes of a PNG of at most `MAX_BYTES`, or None."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError:
        return None
    return data if data.startswith(_PNG) and len(data) <= MAX_BYTES else None
