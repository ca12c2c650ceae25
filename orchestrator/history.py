"""The history of one job, as its registers and folders tell it: every attempt, by whom, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from jobs import layout
from jobs.claims import NOTHING, Names, group_names
from jobs.looking import content, names_if_there
from jobs.records import Claimer, EndRecord, decode_claimer, decode_end, is_fresh_void

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one attempt.

    Attributes:
        claimer: who claimed it; None: nobody did, or it cannot be understood.
        end: how it ended; None: it has not, or that cannot be understood.
        is_void: somebody asked for the job again after it; `is_fresh`: without what it left.
        folder: what it wrote lies there; None: there is no such folder.
        about: what its worker wrote there before the start.
        resumes_from: earlier attempts that it was given the folders of, newest first.
    """

    number: int
    claimer: Claimer | None
    end: EndRecord | None
    is_void: bool = False
    is_fresh: bool = False
    folder: Path | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    resumes_from: tuple[int, ...] = ()

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return _number(self.end.body.get("seconds")) if self.end is not None else None

    @property
    def started(self) -> float | None:
        """When it started, by its host's clock."""
        started = _number(self.about.get("started"))
        if started is not None or self.end is None:
            return started
        ended = _number(self.end.body.get("ended"))
        return ended - self.seconds if ended is not None and self.seconds is not None else None

    @property
    def log(self) -> Path | None:
        """Where its log is, or would be."""
        return self.folder / layout.LOG_FILE if self.folder is not None else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the history of a job is read.

    Args:
        root: the shared folder.
        experiment, job: which.
    """

    root: Path
    experiment: str
    job: str

    def names(self) -> Names:
        """The numbers of its claims, ends and voids, as they are listed now.

        Raises:
            OSError: they cannot be listed.
        """
        listed = names_if_there(str(self.root / layout.log_shard(self.experiment, self.job)))
        ours = (layout.parse_register(name) for name in listed if name.startswith(f"{self.job}."))
        return group_names(ours).get(self.job, NOTHING)

    def story(self, number: int, folders: Mapping[int, Sequence[str]] | None = None) -> Story:
        """One attempt, as it looks now.

        Raises:
            OSError: something of it cannot be read.
        """
        claimer = self._read(layout.claim(self.experiment, self.job, number), decode_claimer)
        end = self._read(layout.end(self.experiment, self.job, number), decode_end)
        named = (self._folders() if folders is None else folders).get(number, ())
        folder = self._folder_of(named, claimer, end)
        about = self._about(folder) if folder is not None else {}
        return Story(number, claimer, end, folder=folder, about=about)

    def stories(self) -> list[Story]:
        """Every attempt, the first one first.

        Raises:
            OSError: something cannot be read.
        """
        names, folders = self.names(), self._folders()
        fresh = sorted(number for number in names.voids if self._is_fresh(number))
        stories = []
        for number in sorted(names.claims | names.ends):
            above = max((void for void in fresh if void < number), default=0)
            given = tuple(earlier for earlier in sorted(folders, reverse=True) if above < earlier < number)
            story = self.story(number, folders)
            voided = replace(story, is_void=number in names.voids, is_fresh=number in fresh)
            stories.append(replace(voided, resumes_from=given))
        return stories

    def _folders(self) -> dict[int, list[str]]:
        """Names of the folders of each attempt; there is more than one only by accident."""
        folders: dict[int, list[str]] = {}
        for name in sorted(names_if_there(str(self.root / layout.job_folder(self.experiment, self.job)))):
            if (number := layout.attempt_of_folder(name)) is not None:
                folders.setdefault(number, []).append(name)
        return folders

    def _folder_of(self, names: Sequence[str], claimer: Claimer | None, end: EndRecord | None) -> Path | None:
        """Of an attempt's folders the one that its record names, else the newest of its session, else the last."""
        said = str(end.body.get("folder") or "").rpartition("/")[2] if end is not None else ""
        ours = [name for name in names if claimer is not None and claimer.sid in name]
        chosen = said if said in names else (ours or names or [""])[-1]
        return self.root / layout.job_folder(self.experiment, self.job) / chosen if chosen else None

    def _about(self, folder: Path) -> dict[str, Any]:
        try:
            told = json.loads(content(str(folder / layout.ATTEMPT_FILE)) or b"{}")
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}

    def _is_fresh(self, number: int) -> bool:
        return is_fresh_void(content(str(self.root / layout.void(self.experiment, self.job, number))) or b"")

    def _read(self, path: str, decode: Callable[[bytes], T]) -> T | None:
        try:
            return decode(content(str(self.root / path)) or b"")
        except ValueError:
            return None
