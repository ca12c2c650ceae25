"""The summary as tables of text: what stands in which cell, whoever prints it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.report.measures import Family, Measure, convention_of, group_measures
from orchestrator.report.records import SEEDS, Scalar, as_text
from orchestrator.report.remarks import remarks_of
from orchestrator.report.summary import Group, Stat, Summary, best_of

FURTHER: Final = "Further measures"
TITLES: Final[Mapping[Family, str]] = {
    "accuracy": "Accuracy on the test split",
    "groups": "Accuracy by group of classes",
    "calibration": "Calibration on the test split",
    "other": "Results",
}
MAX_OTHER: Final = 12
NO_COLUMNS: Final = "all runs"
SELECTED_SHORT: Final = "\N{DAGGER} epoch selected on the test split"
# A parameter below these has a name of its own; below any other key it does not.
_BARE: Final = frozenset({"true", "false", "none"})
_PLAIN_PREFIXES: Final = ("train.", "params.")


@dataclass(frozen=True, slots=True)
class Number:
    """One cell: a mean, its deviation (empty when there is none), and whether it is the best of its block.

    `n` is empty, or the number of values where some runs of the row lack one.
    """

    mean: str
    std: str = ""
    is_best: bool = False
    n: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One group: its labels, how many of its runs are done, and its numbers (None: no run has that measure)."""

    labels: tuple[str, ...]
    done: int
    planned: int
    is_test_selected: bool
    numbers: tuple[Number | None, ...]

    @property
    def count(self) -> str:
        """`3`, or `2 of 3` while runs are missing."""
        return str(self.done) if self.done == self.planned else f"{self.done} of {self.planned}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one family of measures.

    `left_out` counts measures that had no room; `remarks` are sentences without which its numbers may be misread.
    """

    title: str
    labels: tuple[str, ...]
    measures: tuple[Measure, ...]
    blocks: tuple[tuple[Row, ...], ...]
    left_out: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """All rows, block after block."""
        return [row for block in self.blocks for row in block]


def tables_of(summary: Summary) -> list[Table]:
    """The tables of a report, one for each family of measures that has any number."""
    tables: list[Table] = []
    for family, title in TITLES.items():
        measures = tuple(measure for measure in summary.measures if measure.family == family)
        if measures:
            is_other = family == "other"
            shown = measures[:MAX_OTHER] if is_other else whole_groups(measures) if family == "groups" else measures
            heading = FURTHER if is_other and tables else title
            # Of groups more may be shown than there are: those without a class are columns too.
            tables.append(_table(summary, heading, shown, max(0, len(measures) - len(shown))))
    if tables:
        return tables
    return [_table(summary, "Runs without a number in their result", (), 0)]


def whole_groups(measures: Iterable[Measure]) -> tuple[Measure, ...]:
    """All groups of each convention: one that has no class is a column without a number."""
    conventions = dict.fromkeys(map(convention_of, measures))
    return tuple(measure for convention in conventions for measure in group_measures(convention))


def _table(summary: Summary, title: str, measures: tuple[Measure, ...], left_out: int) -> Table:
    headings, _ = labels_of(summary.columns, {})
    blocks = []
    for block in summary.blocks:
        best = {measure.key: best_of(block, measure) for measure in measures}
        blocks.append(tuple(_row(group, index, summary.columns, best, measures) for index, group in enumerate(block)))
    runs = [run for group in summary.groups for run in group.runs]
    return Table(title, headings, measures, tuple(blocks), left_out, remarks_of(measures, runs))


def _row(
    group: Group,
    index: int,
    columns: Sequence[str],
    best: Mapping[str, frozenset[int]],
    measures: Iterable[Measure],
) -> Row:
    numbers = tuple(
        number_of(stat, measure, is_best=index in best[measure.key], runs=len(group.runs))
        if (stat := group.stats.get(measure.key)) is not None
        else None
        for measure in measures
    )
    _, labels = labels_of(columns, group.cell)
    return Row(labels, len(group.runs), group.planned, group.is_test_selected, numbers)


def number_of(stat: Stat, measure: Measure, *, is_best: bool = False, runs: int | None = None) -> Number:
    """How a statistic is printed: percent with two decimals, others with what their measure asks for."""
    std = "" if stat.std is None else format_value(stat.std, measure)
    return Number(format_value(stat.mean, measure), std, is_best, "" if runs in (None, stat.n) else str(stat.n))


def format_value(value: float, measure: Measure) -> str:
    """A value of `measure` as it is printed, without its unit."""
    if not math.isfinite(value):
        return str(value)
    if measure.is_percent:
        return f"{100 * value:.2f}"
    return _significant(value) if measure.places is None else f"{value:.{measure.places}f}"


def _significant(value: float, digits: int = 4) -> str:
    size = abs(value)
    if size < 1e9 and value == int(value):
        return f"{value:.0f}"
    if not 1e-3 <= size < 1e6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"


def labels_of(columns: Sequence[str], cell: Mapping[str, Scalar]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Headings and labels of a row.

    A parameter stands behind the name it belongs to (`loss` focal and `loss.gamma` 2 are `focal (gamma=2)`); where the
    name itself is no column, it has a column of its own.
    """
    if not columns:
        return ("cell",), (NO_COLUMNS,)
    parameters: dict[str, list[str]] = {column: [] for column in columns}
    for column in columns:
        owner = next((name for name in _owners(column) if name in parameters and name != column), None)
        if owner is not None:
            parameters[owner].append(column)
            del parameters[column]
    labels = []
    for column, below in parameters.items():
        inside = [f"{key.rpartition('.')[2]}={text}" for key in below if (text := as_text(cell.get(key)))]
        name = as_text(cell.get(column)) or "\N{EN DASH}"
        labels.append(f"{name} ({', '.join(inside)})" if inside else name)
    return tuple(_heading(column) for column in parameters), tuple(labels)


def _owners(column: str) -> tuple[str, ...]:
    prefix = column.partition(".")[0]
    return prefix, f"{prefix}.name", f"{prefix}.type"


def _heading(column: str) -> str:
    for prefix in _PLAIN_PREFIXES:
        if column.startswith(prefix):
            return column.removeprefix(prefix)
    return column.removesuffix(".name").removesuffix(".type").replace(".", " ")


def caption(fixed: Mapping[str, Scalar]) -> str:
    """What all runs share, in one line; empty when they share nothing."""
    return ", ".join(f"{_heading(key)} {text}" for key, value in fixed.items() if (text := as_text(value)))


def phrase(columns: Sequence[str], cell: Mapping[str, Scalar]) -> str:
    """The labels of a row in one line; one that says nothing alone, such as a number, has its heading before it."""
    pairs = zip(*labels_of(columns, cell), strict=True)
    return ", ".join(label if label[0].isalpha() and label not in _BARE else f"{name} {label}" for name, label in pairs)


def flagged(text: str, *, is_flagged: bool) -> str:
    """What names a run in a figure or under one, with the sign of those whose epoch was selected on the test split."""
    return f"{text} \N{DAGGER}" if is_flagged else text


def phrase_with_seed(columns: Sequence[str], values: Mapping[str, Scalar]) -> str:
    """`phrase`, and the seed."""
    seeds = [f"seed {as_text(values[key])}" for key in SEEDS if key in values]
    return ", ".join([phrase(columns, values), *seeds] if columns or not seeds else seeds)
