"""The plan of an experiment: numbered registers, one line a job, each written once by one `orch plan`."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final

from jobs import layout
from jobs.errors import HostUnfitError, InputError
from jobs.fitness import sync_folder, unfit
from jobs.spec import JobSpec, parse_plan_line, plan_line
from jobs.store import Failed, FolderStore, List, Put, Read, Sync, Won

PLAN_SCHEMA: Final = 1
_PLAN_FILE: Final = re.compile(r"((?!000000)[0-9]{6}|[1-9][0-9]{6,})\.jsonl")
_PLAN_LINE: Final = re.compile(rb"^([a-z0-9-]{1,120})\t\{[^\n]*\}\n", re.MULTILINE)
_FILE_STRIDE: Final = 1 << 40  # longer than any plan file
NEEDS: Final = '"needs":'
POLICY: Final = '"policy":'
_REMEDY: Final = "use the orch that planned it, or move the file out of the folder if it is nobody's plan"
_PUT_TRIES = 100
_PAUSE_SECONDS = 0.2  # between tries while the folder does not say what became of a put


class PlanLines(Mapping[str, str]):
    """The newest line of each planned job; kept as the files' bytes, since most lines are never looked at."""

    def __init__(self) -> None:
        self._files: list[bytes] = []
        self._places: dict[str, int] = {}
        self._found: dict[bytes, tuple[int, int]] = {}

    def add(self, jobs: list[str], data: bytes) -> list[str]:
        """Take in a plan file with the ids of its lines; the ids that were not there before, each once."""
        start = len(self._files) * _FILE_STRIDE
        places = dict(zip(jobs, accumulate(map(len, io.BytesIO(data)), initial=start), strict=False))
        new = [job for job in places if job not in self._places]
        self._files.append(data)
        self._places.update(places)
        return new

    def count(self, text: bytes) -> int:
        """How often some text stands in the files, without a look at single lines."""
        files, found = self._found.get(text, (0, 0))
        found += sum(data.count(text) for data in self._files[files:])
        self._found[text] = len(self._files), found
        return found

    def __getitem__(self, job: str) -> str:
        file, start = divmod(self._places[job], _FILE_STRIDE)
        data = self._files[file]
        return data[start : data.index(b"\n", start)].decode()

    def __contains__(self, job: object) -> bool:
        return job in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(slots=True)
class PlanIndex:
    """What the plan files read so far hold.

    Attributes:
        order: ids in the order they were planned.
        lines: id -> its newest line.
        files: how many plan files were read.
        updated: how many lines were newer ones of ids that were there before.
        problem: one line about the first plan file that cannot be read, or is of a newer schema; empty: none. Nothing
            is read beyond it.
        remedy: what to do about it.
        strangers: names in the folder that are no plan files.
    """

    order: list[str] = field(default_factory=list)
    lines: PlanLines = field(default_factory=PlanLines)
    files: int = 0
    updated: int = 0
    problem: str = ""
    remedy: str = ""
    strangers: list[str] = field(default_factory=list)

    def add(self, data: bytes) -> None:
        """Take in one plan file: the first line of an id gives its place, the newest one its policy.

        Raises:
            ValueError: it is no plan file, or one of a newer schema.
        """
        jobs = _ids(data)
        _check_schema(data)
        new = self.lines.add(jobs, data)
        self.order += new
        self.updated += len(jobs) - len(new)

    @property
    def has_needs(self) -> bool:
        """Whether any line may hold `needs`."""
        return self.lines.count(NEEDS.encode()) > 0

    @property
    def has_policies(self) -> bool:
        """Whether any line may hold a policy."""
        return self.lines.count(POLICY.encode()) > 0

    def spec(self, job: str) -> JobSpec:
        return parse_plan_line(self.lines[job])


def plan_numbers(store: FolderStore, experiment: str) -> list[int]:
    """Numbers of the plan files there are, in order."""
    return _list_plan(store, experiment)[0]


def _list_plan(store: FolderStore, experiment: str) -> tuple[list[int], list[str]]:
    """Numbers of the plan files, in order, and names that are none."""
    names = store.answer(List(f"{experiment}/{layout.PLAN}"))
    found = {name: _PLAN_FILE.fullmatch(name) for name in (names if isinstance(names, tuple) else ())}
    numbers = sorted(int(match[1]) for match in found.values() if match)
    return numbers, [name for name, match in found.items() if not match]


def read_plan_index(store: FolderStore, experiment: str, index: PlanIndex) -> bool:
    """Read the plan files that `index` has not got yet; whether that brought anything, a problem included."""
    before = (index.files, index.problem)
    numbers, index.strangers = _list_plan(store, experiment)
    if index.problem and index.files + 1 in numbers:
        return False  # registers do not change: only one that was taken away is worth another look
    index.problem = index.remedy = ""
    for number in numbers:
        if number <= index.files:
            continue
        if number != index.files + 1:
            break  # a listing may miss a name; the numbers have no gaps
        path = layout.plan_file(experiment, number)
        data = store.answer(Read(path))
        if not isinstance(data, bytes):
            break
        try:
            index.add(data)
        except ValueError as error:
            index.problem, index.remedy = f"{path}: {error}", _REMEDY
            break
        index.files = number
    return (index.files, index.problem) != before


def _ids(data: bytes) -> list[str]:
    """The ids of a plan file's lines."""
    heads: list[bytes] = _PLAN_LINE.findall(data)
    if len(heads) != data.count(b"\n") or not data.isascii() or not (data.endswith(b"\n") or not data):
        lines = enumerate(io.BytesIO(data), 1)
        number = next(number for number, line in lines if not (line.isascii() and _PLAN_LINE.fullmatch(line)))
        raise ValueError(f"line {number} is no line of a plan")
    return b"\n".join(heads).decode().split("\n") if heads else []


def _check_schema(data: bytes) -> None:
    """One line tells what sort of file it is; more of them are parsed only where they name a schema."""
    has_schema = b'"schema":' in data
    for number, line in enumerate(io.BytesIO(data), 1):
        if number == 1 or b'"schema":' in line:
            _check_line(number, line.decode())
        if not has_schema:
            return


def _check_line(number: int, line: str) -> None:
    try:
        schema = json.loads(line.partition("\t")[2]).get("schema", PLAN_SCHEMA)
        if schema == PLAN_SCHEMA:
            parse_plan_line(line)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"line {number} is no line of a plan") from error
    if schema != PLAN_SCHEMA:
        raise ValueError(f"a plan of schema {schema}, and this orch reads {PLAN_SCHEMA}")


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
        InputError: the plan that is there cannot be read.
        HostUnfitError: the root cannot be written, or does not settle.
    """
    store = FolderStore(root)
    index = PlanIndex()
    for _ in range(_PUT_TRIES):
        read_plan_index(store, experiment, index)
        if index.problem:
            raise InputError(index.problem, index.remedy)
        temp = layout.command_temp(os.urandom(8).hex())
        try:
            change = _write_change(root / temp if not dry_run else None, index, jobs())
            if dry_run or not (change.new or change.updated):
                return change
            _make_shards(root / experiment, root / temp)
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


def _make_shards(folder: Path, plan: Path) -> None:
    """The shards that new jobs need, with one sync for all: else the first job of each would pay for its own."""
    with plan.open(encoding="utf-8") as lines:
        shards = {layout.shard(line.partition("\t")[0]) for line in lines}
    for kind in (layout.LOG, layout.DONE):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for shard in shards:
            (folder / kind / shard).mkdir(exist_ok=True)
        sync_folder(str(folder / kind))
    sync_folder(str(folder))


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
            names = sorted(entry.name for entry in entries if layout.is_experiment_name(entry.name) and _is_dir(entry))
    except FileNotFoundError:
        return []
    return [name for name in names if _has_plan(root / name)]


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself is nobody's experiment
            return False
        raise


def _has_plan(folder: Path) -> bool:
    try:
        return (folder / layout.PLAN).is_dir()
    except PermissionError:  # somebody else's
        return False
