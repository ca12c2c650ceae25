"""The layouts there are. Another one is an entry here, and a module with a function from a `Source` to files."""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.errors import InputError

if TYPE_CHECKING:
    from orchestrator.export.source import Source

# Names (relative to the folder, `/` allowed) and contents, the files that name others last.
Files = Iterator[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to lay out results.

    Attributes:
        target: `module:function`, imported when it is asked for; takes a `Source` and yields `Files`.
        about: what it writes, for people.
    """

    target: str
    about: str

    def files(self, source: Source) -> Files:
        """The files of an experiment."""
        make: Callable[[Source], Files] = pkgutil.resolve_name(self.target)
        return make(source)


LAYOUTS: Final[Mapping[str, Layout]] = {
    "calibration-csv": Layout(
        "orchestrator.export.calibration_csv:files",
        "the files of many_losses_multibackbone_training.py: <dataset>_methods_log.csv, reliability_*.png, done_*.json,"
        " error_*.txt, val_bin_stats.txt",
    ),
    "figures": Layout(
        "orchestrator.export.figures:files",
        "a folder for each run with its figures as PNG, PDF and CSV",
    ),
}


def layout_named(name: str) -> Layout:
    """The layout of that name.

    Raises:
        InputError: there is none.
    """
    if name in LAYOUTS:
        return LAYOUTS[name]
    near = difflib.get_close_matches(name, LAYOUTS, n=1)
    raise InputError(f"unknown layout {name!r}", f"use {near[0] if near else ' or '.join(LAYOUTS)}")
