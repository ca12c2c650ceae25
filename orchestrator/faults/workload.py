"""The jobs of a trial: planned in batches, so that workers never run dry, and what their results must be."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jobs import layout
from jobs.identity import job_id
from jobs.plan import add_to_plan
from jobs.snapshot import accepted
from jobs.spec import JobSpec, Kind
from orchestrator.faults import deeds

EXPERIMENT: Final = "trial"
_MAX_ATTEMPTS: Final = 50  # a job that fails for a passing fault is a finding, not the end of the trial


@dataclass
class Workload:
    """Jobs of an experiment that are alike but for their seeds.

    Args:
        seed: of the sizes and durations of all jobs.
        largest_bytes: of a result file.
        longest_seconds: that a job sleeps.
        programs, resuming: which part of the jobs are programs, and which ask to be tried again once.
    """

    seed: int
    largest_bytes: int = 400_000
    longest_seconds: float = 0.5
    programs: float = 0.05
    resuming: float = 0.05
    planned: int = 0

    def plan(self, root: Path, count: int) -> None:
        """Add `count` jobs to the experiment.

        Raises:
            HostUnfitError: the root cannot be written.
        """
        specs = [self._spec(self.planned + number) for number in range(count)]
        add_to_plan(root, EXPERIMENT, lambda: iter(specs), dry_run=False)
        self.planned += count

    def _spec(self, number: int) -> JobSpec:
        """Drawn from the number alone, so that planning it once more plans nothing new."""
        chance = random.Random(f"{self.seed} {number}")  # noqa: S311
        kind: Kind = "command" if chance.random() < self.programs else "call"
        size = chance.randrange(1000, self.largest_bytes)
        seconds = round(chance.uniform(0, self.longest_seconds), 3)
        params = {"seed": number, "size": size, "seconds": seconds, "steps": 1 + (chance.random() < self.resuming)}
        content: dict[str, Any] = {"target": deeds.TARGET, "params": params}
        if kind == "command":
            content = {"argv": ["python", "-m", deeds.__name__, *map(str, params.values())]}
        cell = {f"params.{name}": value for name, value in params.items()}
        return JobSpec(job_id(kind, content), kind, content, cell, max_attempts=_MAX_ATTEMPTS)


def wrong_results(root: Path) -> Iterator[str]:
    """Accepted results that are not what their seeds say, whatever their records say."""
    for result in accepted(root, EXPERIMENT):
        cell = result.spec.cell
        digest = hashlib.sha256(deeds.content(cell["params.seed"], cell["params.size"])).hexdigest()
        if result.summary.get("sha256") != digest:
            yield f"{result.spec.id}: its summary says {result.summary}"
        elif result.folder is None:
            yield f"{result.spec.id}: it left no folder"
        elif not (result.folder / "weights.bin").is_file():
            yield f"{result.spec.id}: weights.bin is not there"
        elif hashlib.sha256((result.folder / "weights.bin").read_bytes()).hexdigest() != digest:
            yield f"{result.spec.id}: weights.bin is not what its seed gives"


@dataclass(frozen=True, slots=True)
class Diary:
    """What the executions told of themselves, outside the folder under attack.

    Attributes:
        executions: how many there were.
        refused: errors that the folder gave them when they wrote their results, by name.
        shared: attempts that ran more than once, though a number is run by one session and once.
    """

    executions: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    shared: tuple[str, ...] = ()


def read_diary(path: Path) -> Diary:
    """Count the executions of a trial."""
    runs: dict[tuple[str, int], list[str]] = defaultdict(list)
    refused: Counter[str] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        job, folder, what, *_ = line.split()
        if what == "ran":
            runs[job, layout.attempt_of_folder(folder) or 0].append(folder)
        else:
            refused[what] += 1
    shared = tuple(f"{job} attempt {n}: {folders}" for (job, n), folders in runs.items() if len(folders) > 1)
    return Diary(sum(map(len, runs.values())), refused, shared)
