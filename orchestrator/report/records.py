"""Done jobs as flat records: the cell that was asked for and the values that came out, each under a dotted key."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobs.spec import train_spec

if TYPE_CHECKING:
    from jobs.snapshot import Accepted
    from jobs.spec import JobSpec

Scalar = bool | int | float | str | None

# A seed of a `call` job is a keyword argument of its function.
SEEDS: Final = ("seed", "params.seed")
TEST_SELECTION: Final = "best_test"
# What differs between the seeds of one setting: the words of a command, the jobs of an earlier stage.
_PER_SEED: Final = ("argv", "needs")


@dataclass(frozen=True, slots=True)
class Cell:
    """One planned job: its id and where in the grid it stands."""

    job: str
    values: Mapping[str, Scalar]
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One done job.

    Attributes:
        cell: what was asked for.
        attempt: the number of the accepted attempt.
        values: what came out: the metrics, and the other scalars of the result.
        folder: where the attempt's files lie; None: the job has none.
    """

    cell: Cell
    attempt: int
    values: Mapping[str, Scalar]
    folder: Path | None = None

    @property
    def is_test_selected(self) -> bool:
        """Whether the reported epoch was picked by looking at the test split."""
        return TEST_SELECTION in (self.values.get("select"), self.cell.values.get("select"))

    def number(self, key: str) -> float | None:
        """The value under `key`, or None where it is absent, not a number, or NaN."""
        return as_number(self.values.get(key))


@dataclass(frozen=True, slots=True)
class Results:
    """Everything a report is made of.

    Attributes:
        experiment: its name.
        runs: the done jobs, in the order of the plan.
        cells: all planned jobs that are still wanted, done ones included, in the order of the plan.
        states: job -> why it is not done, in a few words, where that is known.
    """

    experiment: str
    runs: Sequence[Run]
    cells: Sequence[Cell]
    states: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[Cell]:
        """The planned jobs that are not done."""
        done = {run.cell.job for run in self.runs}
        return [cell for cell in self.cells if cell.job not in done]


def as_number(value: Scalar) -> float | None:
    """A float, or None where `value` is no number to calculate with (text, a truth value, NaN, beyond a double)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isnan(number) else number


def as_text(value: Scalar) -> str:
    """How a value of a cell is written; empty for None."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.12g}"
        case _:
            return str(value)


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Scalar]]:
    """The leaves of nested mappings under dotted keys; a list is one leaf, written as JSON."""
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False, default=str)
        else:
            yield f"{prefix}{key}", value


def cells_of(specs: Sequence[JobSpec]) -> list[Cell]:
    """The cells of `specs`, in their order: the readable values, and what of the identity they do not show.

    Two settings must never be averaged as if they were two seeds, be it that they were planned by two grids. So the
    fixed parameters of a train job are part of its cell, and whatever else tells jobs apart that look alike.
    """
    values = [_shown_values(spec) for spec in specs]
    _fill_in_defaults(specs, values)
    for key in _hidden_differences(specs, values):
        for spec, shown in zip(specs, values, strict=True):
            shown.setdefault(key, dict(flatten(spec.content)).get(key))
    return [Cell(spec.id, shown, spec.notes) for spec, shown in zip(specs, values, strict=True)]


def _shown_values(spec: JobSpec) -> dict[str, Scalar]:
    shown = dict(flatten(spec.cell))
    if spec.kind != "train":
        return shown
    heads = {key.partition(".")[0] for key in shown if not key.startswith("train.")}
    content = flatten({key: value for key, value in spec.content.items() if key not in heads})
    return shown | {key: value for key, value in content if key not in shown}


def _fill_in_defaults(specs: Sequence[JobSpec], values: Sequence[dict[str, Scalar]]) -> None:
    """Give the default to who lacks a parameter that others have in their identity, which leaves defaults out."""
    fixed = {key for spec, shown in zip(specs, values, strict=True) for key in shown if key not in spec.cell}
    for spec, shown in zip(specs, values, strict=True):
        absent = fixed.difference(shown)
        if absent and spec.kind == "train":
            whole = dict(flatten(train_spec(spec, "")))
            shown |= {key: whole[key] for key in absent if key in whole}


def _hidden_differences(specs: Sequence[JobSpec], values: Sequence[Mapping[str, Scalar]]) -> list[str]:
    """The keys of the identity in which jobs differ that look like two seeds of one setting, or like one job."""
    found: dict[str, None] = {}
    for shown_but, compared_but in ((SEEDS, (*SEEDS, *_PER_SEED)), ((), ())):
        alike: dict[str, list[dict[str, Scalar]]] = defaultdict(list)
        for spec, shown in zip(specs, values, strict=True):
            key = json.dumps({name: shown[name] for name in sorted(shown) if name not in shown_but}, default=str)
            alike[key].append({name: value for name, value in flatten(spec.content) if name not in compared_but})
        for contents in alike.values():
            names = dict.fromkeys(name for content in contents for name in content)
            found |= {name: None for name in names if len({as_text(content.get(name)) for content in contents}) > 1}
    return list(found)


def result_values(summary: Mapping[str, Any]) -> dict[str, Scalar]:
    """The scalars of a result, the metrics first and under their own names.

    Lists are left out: they are for the run's own figures. A key that `metrics` and the result share has the result's
    value: its `seconds` are those of the whole run.
    """
    metrics = summary.get("metrics")
    if not isinstance(metrics, Mapping):
        return dict(flatten(_without_lists(summary)))
    outer = {key: value for key, value in summary.items() if key not in ("metrics", "schema")}
    return dict(flatten(_without_lists(metrics))) | dict(flatten(_without_lists(outer)))


def _without_lists(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_lists(value) if isinstance(value, Mapping) else value
        for key, value in mapping.items()
        if not isinstance(value, list | tuple)
    }


def gather(
    experiment: str, accepted: Iterable[Accepted], planned: Sequence[JobSpec], states: Mapping[str, str]
) -> Results:
    """Match results with the plan; a cancelled job is wanted only if it was done before."""
    by_job = {result.spec.id: result for result in accepted}
    specs = {spec.id: spec for spec in planned} | {job: result.spec for job, result in by_job.items()}
    wanted = [spec for job, spec in specs.items() if job in by_job or states.get(job) != "cancelled"]
    cells = cells_of(wanted)
    runs = [
        Run(cell, result.attempt, result_values(result.summary), result.folder)
        for cell in cells
        if (result := by_job.get(cell.job)) is not None
    ]
    return Results(experiment, runs, cells, states)
