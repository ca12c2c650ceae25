"""`orch plan` and `orch init`: a grid's jobs put into the plan of their experiment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.errors import InputError
from jobs.plan import PlanChange, add_to_plan
from jobs.spec import JobSpec


@dataclass(frozen=True, slots=True)
class Planned:
    """What planning a grid came to; `cells` only after a dry run."""

    experiment: str
    change: PlanChange
    duplicates: int
    is_dry_run: bool
    cells: tuple[JobSpec, ...] = ()

    def as_json(self) -> dict[str, Any]:
        cells = [{"id": spec.id, **spec.cell} for spec in self.cells]
        counts = {"experiment": self.experiment, **asdict(self.change), "dry_run": self.is_dry_run}
        return {**counts, "cells": cells} if self.is_dry_run else counts


def plan_grid(root: Path, grid_file: Path, sets: Sequence[str] = (), *, dry_run: bool = False) -> Planned:
    """Add the jobs of a grid that are not planned yet.

    Raises:
        InputError: the grid, or an override, is wrong.
        HostUnfitError: the root cannot be written.
    """
    from jobs.grid import load_grid

    if not grid_file.is_file():
        raise InputError(f"{grid_file}: no such file", "orch init writes one to start from")
    grid = load_grid(grid_file, sets, Path(os.environ.get("ORCH_DATA", "data")))
    cells = tuple(grid.jobs()) if dry_run else ()
    change = add_to_plan(root, grid.name, grid.jobs, dry_run=dry_run)
    return Planned(grid.name, change, grid.duplicates, dry_run, cells)


def render_cells(planned: Planned) -> Iterator[str]:
    """A line a cell: its id and what it is."""
    for spec in planned.cells:
        yield f"{spec.id}  " + " ".join(f"{key}={value}" for key, value in spec.cell.items())


def render_plan(planned: Planned) -> str:
    """The counts, for a person."""
    change = planned.change
    parts = [f"{change.new} new", f"{change.unchanged} unchanged"]
    parts += [f"{change.updated} updated"] if change.updated else []
    parts += [f"{planned.duplicates} cells named twice"] if planned.duplicates else []
    parts += [f"{change.orphaned} planned before are not in this grid (they stay)"] if change.orphaned else []
    verb = "would plan" if planned.is_dry_run else "planned"
    return f"{verb} {planned.experiment}: " + ", ".join(parts)


def write_starter(path: Path) -> None:
    """Write a commented grid to start from; never over one that is there."""
    from jobs.starter import starter_grid

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter_grid())
    except FileExistsError as error:
        raise InputError(f"{path} is there already", "edit it, or name another: orch init FILE") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "name a file in a folder you may write to") from error
