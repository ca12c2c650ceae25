"""The report as data: one row per run, and one row per group; fractions, never percent."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from orchestrator.report.measures import BOOKKEEPING, KNOWN
from orchestrator.report.records import Run, Scalar, as_text
from orchestrator.report.summary import Summary

_FIRST: Final = ("job", "attempt")
_LAST: Final = ("device", "seconds", "epoch", "select", "note")
LEAST_COLUMNS: Final = (*_FIRST, *_LAST)  # what `run_rows` has whatever the runs are
_KNOWN: Final = frozenset(measure.key for measure in KNOWN) | BOOKKEEPING


def run_rows(runs: Sequence[Run]) -> list[dict[str, Scalar]]:
    """One record per run, all with the same keys in the same order: job, attempt, cell, results, circumstances.

    A result that has the name of another column is called `result.<name>`, unless it says the same. What is absent is
    None, and so is what is NaN in a metric.
    """
    rows = [_run_row(run) for run in runs]
    cells = dict.fromkeys(key for run in runs for key in run.cell.values)
    results = dict.fromkeys(key for row in rows for key in row if key not in cells)
    middle = [*cells, *(key for key in results if key not in _LAST)]
    columns = dict.fromkeys((*_FIRST, *(key for key in middle if key not in _FIRST), *_LAST))
    return [{column: row.get(column) for column in columns} for row in rows]


def _run_row(run: Run) -> dict[str, Scalar]:
    row: dict[str, Scalar] = {key: value for key, value in run.cell.values.items() if key not in _FIRST}
    for key, value in run.values.items():
        clean = None if isinstance(value, float) and math.isnan(value) else value
        if key in _FIRST or (key in row and as_text(row[key]) != as_text(clean)):
            row[f"result.{key}"] = clean
        else:
            row.setdefault(key, clean)
    return {"job": run.cell.job, "attempt": run.attempt, **row}


def runs_csv(runs: Sequence[Run]) -> str:
    """`run_rows` as CSV."""
    rows = run_rows(runs)
    return _csv(list(rows[0]) if rows else list(LEAST_COLUMNS), rows)


def summary_csv(summary: Summary) -> str:
    """One row per group: its varying columns, n, planned, select, then mean, standard deviation and n of each measure.

    The `_n` of a measure is there only where it may differ from the n of the group.
    """
    partial = {
        measure.key
        for group in summary.groups
        for measure in summary.measures
        if group.runs and (measure.key not in group.stats or group.stats[measure.key].n != len(group.runs))
    }
    header = list(dict.fromkeys((*summary.columns, "n", "planned", "select")))
    for measure in summary.measures:
        header += [f"{measure.key}_mean", f"{measure.key}_std"]
        header += [f"{measure.key}_n"] if measure.key in partial else []
    rows = []
    for group in summary.groups:
        chosen = dict.fromkeys(as_text(run.values.get("select", run.cell.values.get("select"))) for run in group.runs)
        row: dict[str, Scalar] = dict(group.cell) | {"n": len(group.runs), "planned": group.planned}
        row["select"] = " ".join(filter(None, chosen))
        for key, stat in group.stats.items():
            row |= {f"{key}_mean": stat.mean, f"{key}_std": stat.std}
            row |= {f"{key}_n": stat.n} if key in partial else {}
        rows.append(row)
    return _csv(header, rows)


def _csv(header: Sequence[str], rows: Iterable[Mapping[str, Scalar]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_field(row.get(column)) for column in header] for row in rows)
    return text.getvalue()


def _field(value: Scalar) -> str:
    # Metrics keep every digit; a cell's own values are short anyway.
    return repr(value) if isinstance(value, float) else as_text(value)
