"""An export on disk: every file whole, and never over one that is not an export's own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jobs import layout as names
from jobs.errors import HostUnfitError, InputError
from orchestrator.export.layouts import layout_named
from orchestrator.export.source import read_source
from orchestrator.putting import put_whole

_LIST: Final = ".orch-export-{layout}-{experiment}.json"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the folder, the names in it, and what a person should know."""

    folder: Path
    files: Sequence[str]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be exported.

    Attributes:
        layout: its name.
        folder: where to; None: `report/<layout>/` of the experiment.
        jobs: ids of the only jobs to export, or unique beginnings of such.
    """

    layout: str
    folder: Path | None = None
    jobs: Sequence[str] = ()


def export(root: Path, experiment: str, wish: Wish, tell: Callable[[str], None] = lambda _: None) -> Exported:
    """Write an experiment in a layout.

    A list of what was written is kept beside it (a hidden file). A later export of the same experiment replaces those
    files, and removes those that there is no reason for any more; any other file of one of these names is left alone.

    Args:
        root: the shared folder.
        experiment: its name.
        wish: what, and where to.
        tell: is told the name of each file.

    Raises:
        InputError: no such layout, experiment or job, nothing done, or a file in the way that is not ours.
        HostUnfitError: the root cannot be read, or the folder not written.
    """
    layout = layout_named(wish.layout)
    source = read_source(root, experiment, wish.jobs)
    folder = wish.folder or root / source.experiment / names.REPORT / wish.layout
    listed = folder / _LIST.format(layout=wish.layout, experiment=source.experiment)
    before = _read_list(listed)
    written: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in layout.files(source):
            tell(name)
            path = folder / name
            if name not in before and path.exists():
                raise InputError(
                    f"{path} is there already, and no export of {experiment} wrote it", "give another --out"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            # Listed before it is there: an export that is cut off knows its own files again.
            if name not in before:
                before.add(name)
                put_whole(listed, _list(before))
            put_whole(path, data)
            written.append(name)
        if not wish.jobs:
            for name in before.difference(written):
                _remove(folder, name)
            put_whole(listed, _list(set(written)))
    except OSError as error:
        raise HostUnfitError(f"{folder}: cannot write the export ({error.strerror})", "give another --out") from error
    return Exported(folder, written, source.notes)


def _read_list(path: Path) -> set[str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()


def _list(written: set[str]) -> bytes:
    return (json.dumps(sorted(written), indent=0) + "\n").encode()


def _remove(folder: Path, name: str) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):  # a list that somebody has changed
        return
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with contextlib.suppress(OSError):  # the folder holds other files still
        if path.parent != folder:
            path.parent.rmdir()
