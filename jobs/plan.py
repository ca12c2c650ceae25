"""The plan of an experiment: numbered registers, one line a job, each written once by one `orch plan`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs import layout
from jobs.errors import HostUnfitError
from jobs.fitness import unfit
from jobs.spec import JobSpec, parse_plan_line, plan_line
from jobs.store import Failed, FolderStore, List, Put, Read, Sync, Won

_PUT_TRIES = 100
_PAUSE_SECONDS = 0.2  # between tries while the folder does not say what became of a put


@dataclass(slots=True)
class PlanIndex:
    """What the plan files read so far hold.

    Attributes:
        order: ids in the order they were planned.
        lines: id -> its newest line.
        files: how many plan files were read.
    """

    order: list[str] = field(default_factory=list)
    lines: dict[str, str] = field(default_factory=dict)
    files: int = 0

    def add(self, text: str) -> None:
        """Take in one plan file: the first line of an id gives its place, the newest one its policy."""
        for line in text.splitlines():
            job = line.partition("\t")[0]
            if job not in self.lines:
                self.order.append(job)
            self.lines[job] = line

    def spec(self, job: str) -> JobSpec:
        return parse_plan_line(self.lines[job])


def plan_numbers(store: FolderStore, experiment: str) -> list[int]:
    """Numbers of the plan files there are, in order."""
    names = store.answer(List(f"{experiment}/{layout.PLAN}"))
    if not isinstance(names, tuple):
        return []
    stems = (name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def read_plan_index(store: FolderStore, experiment: str, index: PlanIndex) -> bool:
    """Read the plan files that `index` has not got yet; whether there were any."""
    before = index.files
    for number in plan_numbers(store, experiment):
        if number <= index.files:
            continue
        if number != index.files + 1:
            break  # a listing may miss a name; the numbers have no gaps
        data = store.answer(Read(layout.plan_file(experiment, number)))
        if not isinstance(data, bytes):
            break
        index.add(data.decode())
        index.files = number
    return index.files != before


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What planning did, or would do.

    Attributes:
        new, updated, unchanged: how many jobs.
        orphaned: planned before and not named by this grid; they stay.
    """

    new: int
    updated: int
    unchanged: int
    orphaned: int


def compute_change(index: PlanIndex, specs: Iterator[JobSpec]) -> Iterator[tuple[str, str]]:
    """The verdict on each job (`new`, `updated`, `unchanged`) with its line."""
    for spec in specs:
        line = plan_line(spec)
        before = index.lines.get(spec.id)
        yield ("new" if before is None else "unchanged" if before == line else "updated"), line


def add_to_plan(root: Path, experiment: str, jobs: Callable[[], Iterator[JobSpec]], *, dry_run: bool) -> PlanChange:
    """Add what is new in `jobs` to the experiment's plan.

    Two planners never lose each other's jobs: who finds the next number taken reads again and computes again.

    Raises:
        HostUnfitError: the root cannot be written, or does not settle.
    """
    store = FolderStore(root)
    index = PlanIndex()
    for _ in range(_PUT_TRIES):
        read_plan_index(store, experiment, index)
        temp = layout.command_temp(os.urandom(8).hex())
        try:
            change = _write_change(root / temp if not dry_run else None, index, jobs())
            if dry_run or not (change.new or change.updated):
                return change
            won = store.answer(Put(temp, layout.plan_file(experiment, index.files + 1)))
            if won is Won.MINE:
                _settle(store, experiment)
                return change
            if won is not Won.THEIRS:
                time.sleep(_PAUSE_SECONDS)
        except OSError as error:
            raise unfit(error) from error
        finally:
            with contextlib.suppress(OSError):
                (root / temp).unlink()
    raise HostUnfitError(f"the plan of {experiment} could not be written", "try again; is the folder reachable?")


def _settle(store: FolderStore, experiment: str) -> None:
    reply = store.answer(Sync(f"{experiment}/{layout.PLAN}"))
    if isinstance(reply, Failed):
        raise HostUnfitError(f"the plan of {experiment} could not be synced: {reply.error}", "run orch plan again")


def _write_change(temp: Path | None, index: PlanIndex, specs: Iterator[JobSpec]) -> PlanChange:
    """Write the new and updated lines to `temp` (None: to nowhere), whole and on disk."""
    counts = {"new": 0, "updated": 0, "unchanged": 0}
    with contextlib.ExitStack() as stack:
        file = None
        if temp is not None:
            temp.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(temp.open("x", encoding="utf-8", newline="\n"))
        for verdict, line in compute_change(index, specs):
            counts[verdict] += 1
            if file is not None and verdict != "unchanged":
                file.write(line + "\n")
        if file is not None and counts["new"] + counts["updated"]:
            file.flush()
            os.fsync(file.fileno())
    known = counts["updated"] + counts["unchanged"]
    return PlanChange(counts["new"], counts["updated"], counts["unchanged"], len(index.order) - known)


def experiments(root: Path) -> list[str]:
    """Names of the experiments under a root: folders with a plan; whatever else lies there is left alone."""
    try:
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if layout.is_experiment_name(entry.name) and entry.is_dir())
    except FileNotFoundError:
        return []
    return [name for name in names if _has_plan(root / name)]


def _has_plan(folder: Path) -> bool:
    try:
        return (folder / layout.PLAN).is_dir()
    except PermissionError:  # somebody else's
        return False
