"""Mean and standard deviation over seeds: which runs belong together, and what their numbers come to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.report.measures import Measure, measures_of
from orchestrator.report.records import SEEDS, Cell, Results, Run, Scalar, as_number, as_text

# Rows that differ in one of these answer different questions: the best of a column is looked for among rows that agree.
_SETTING_KEYS = frozenset({"dataset", "imbalance", "val", "data_seed"})


@dataclass(frozen=True, slots=True)
class Stat:
    """Mean and standard deviation of n values; the deviation (n - 1 in the denominator) is None for n = 1."""

    mean: float
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Stat:
        """The statistics of at least one value; an infinite one makes the mean infinite and the deviation None."""
        n = len(values)
        if not all(map(math.isfinite, values)):
            return cls(sum(values), None, n)
        if n == 1:
            return cls(values[0], None, n)
        mean = math.fsum(value / n for value in values)
        # hypot, because the squares of very large values would overflow.
        return cls(mean, math.hypot(*(value - mean for value in values)) / math.sqrt(n - 1), n)


@dataclass(frozen=True, slots=True)
class Group:
    """The runs that differ in nothing but their seed.

    Attributes:
        cell: the values of the columns that vary between groups.
        runs: the done ones.
        planned: how many there are to be.
        stats: measure key -> its statistics; a measure that no run has is absent.
    """

    cell: Mapping[str, Scalar]
    runs: tuple[Run, ...]
    planned: int
    stats: Mapping[str, Stat]

    @property
    def is_test_selected(self) -> bool:
        """Whether the epoch of any of its runs was picked on the test split."""
        return any(run.is_test_selected for run in self.runs)


@dataclass(frozen=True, slots=True)
class Summary:
    """An experiment, averaged over seeds.

    Attributes:
        columns: the keys of the cell that vary between groups.
        fixed: the keys that do not, with their value.
        measures: the columns of numbers, each present in at least one run.
        blocks: the groups; those of one block share data set and imbalance, so that their numbers can be compared.
    """

    columns: tuple[str, ...]
    fixed: Mapping[str, Scalar]
    measures: tuple[Measure, ...]
    blocks: tuple[tuple[Group, ...], ...]

    @property
    def groups(self) -> list[Group]:
        """All groups, block after block."""
        return [group for block in self.blocks for group in block]

    @property
    def setting_columns(self) -> tuple[str, ...]:
        """The columns that tell blocks apart."""
        return tuple(column for column in self.columns if _is_setting(column))


def summarise(results: Results) -> Summary:
    """Group the runs by all but their seed; groups and blocks keep the order of the plan."""
    columns, fixed = split_columns(results.cells)
    runs = {run.cell.job: run for run in results.runs}
    keys = [key for run in results.runs for key, value in run.values.items() if as_number(value) is not None]
    measures = measures_of(keys)
    members: dict[tuple[str, ...], list[Cell]] = {}
    for cell in results.cells:
        members.setdefault(_key(cell, columns), []).append(cell)
    blocks: dict[tuple[str, ...], list[Group]] = {}
    setting = [column for column in columns if _is_setting(column)]
    for cells in members.values():
        group = _group(cells, [runs[cell.job] for cell in cells if cell.job in runs], columns, measures)
        blocks.setdefault(_key(cells[0], setting), []).append(group)
    return Summary(columns, fixed, measures, tuple(tuple(block) for block in blocks.values()))


def split_columns(cells: Iterable[Cell]) -> tuple[tuple[str, ...], dict[str, Scalar]]:
    """The keys that vary between cells, and the values of those that do not; seeds are neither."""
    values: dict[str, dict[str, Scalar]] = {}
    counts: dict[str, int] = {}
    total = 0
    for cell in cells:
        total += 1
        for key, value in cell.values.items():
            if key not in SEEDS:
                values.setdefault(key, {})[as_text(value)] = value
                counts[key] = counts.get(key, 0) + 1
    varying = tuple(key for key in values if len(values[key]) > 1 or counts[key] < total)
    return varying, {key: next(iter(found.values())) for key, found in values.items() if key not in varying}


def best_of(block: Sequence[Group], measure: Measure) -> frozenset[int]:
    """Which groups of a block have the best mean, as indexes; means that print alike share it.

    A number that was selected on the test split is optimistic, so it competes only where all of its block are.
    One number alone is not the best of anything.
    """
    means = {
        index: round(stat.mean, measure.places)
        for index, group in enumerate(block)
        if (stat := group.stats.get(measure.key)) is not None and math.isfinite(stat.mean)
    }
    honest = {index: mean for index, mean in means.items() if not block[index].is_test_selected}
    rivals = honest or means
    if measure.better == "neither" or len(rivals) < 2:
        return frozenset()
    best = max(rivals.values()) if measure.better == "higher" else min(rivals.values())
    return frozenset(index for index, mean in rivals.items() if mean == best)


def _group(cells: Sequence[Cell], runs: Sequence[Run], columns: Sequence[str], measures: Iterable[Measure]) -> Group:
    stats = {}
    for measure in measures:
        numbers = [number for run in runs if (number := run.number(measure.key)) is not None]
        if numbers:
            stats[measure.key] = Stat.of(numbers)
    return Group({column: cells[0].values.get(column) for column in columns}, tuple(runs), len(cells), stats)


def _key(cell: Cell, columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(as_text(cell.values.get(column)) for column in columns)


def _is_setting(column: str) -> bool:
    return column.partition(".")[0] in _SETTING_KEYS
