"""A grid's text, planned: what the tests of this folder share."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from jobs.errors import InputError
from jobs.grid import Grid, load_grid
from jobs.spec import JobSpec


def load(folder: Path, text: str, *sets: str) -> Grid:
    path = folder / "g.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return load_grid(path, sets, folder / "data")


def plan(folder: Path, text: str, *sets: str) -> list[JobSpec]:
    return list(load(folder, text, *sets).jobs())


def the_job(folder: Path, text: str, *sets: str) -> JobSpec:
    (job,) = plan(folder, text, *sets)
    return job


def cells(folder: Path, text: str, *keys: str, sets: tuple[str, ...] = ()) -> list[tuple[object, ...]]:
    return [tuple(job.cell.get(key) for key in keys) for job in plan(folder, text, *sets)]


def refusal(folder: Path, text: str, *sets: str) -> str:
    """The one line that a user sees, the folder taken out of it."""
    with pytest.raises(InputError) as caught:
        plan(folder, text, *sets)
    line = str(caught.value).replace(f"{folder}/", "")
    assert "\n" not in line
    return line
