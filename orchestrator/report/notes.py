"""What a reader must know before quoting a number of the report, as plain sentences."""

from __future__ import annotations

from collections import Counter
from typing import Final

from orchestrator.report.records import Results, as_text
from orchestrator.report.summary import Summary

MAX_RUN_NOTES: Final = 20
# Runs that differ in one of these need not agree to the last digit.
_CIRCUMSTANCES: Final = {"device": "kinds of device", "torch": "versions of torch", "precision": "precisions"}


def notes_of(results: Results, summary: Summary) -> list[str]:
    """The notes of a report, the gravest first."""
    return [
        *_partial(summary),
        *_circumstances(results),
        *_single_runs(summary),
        *_run_notes(results),
        *_training_columns(summary),
    ]


def _partial(summary: Summary) -> list[str]:
    partial = sum(0 < len(group.runs) < group.planned for group in summary.groups)
    absent = sum(not group.runs for group in summary.groups)
    notes = []
    if partial:
        notes.append(f"Fewer runs than planned in {_count(partial, 'row')}: column n says how many.")
    if absent:
        notes.append(f"No run at all in {_count(absent, 'row')}, marked missing.")
    return notes


def _circumstances(results: Results) -> list[str]:
    notes = []
    for key, noun in _CIRCUMSTANCES.items():
        counts = Counter(text for run in results.runs if (text := as_text(run.values.get(key))))
        if len(counts) > 1:
            listed = ", ".join(f"{name} ({_count(count, 'run')})" for name, count in sorted(counts.items()))
            notes.append(f"The runs were made on several {noun}: {listed}.")
    return notes


def _single_runs(summary: Summary) -> list[str]:
    if any(len(group.runs) == 1 for group in summary.groups):
        return ["A number without a deviation comes from a single run."]
    return []


def _run_notes(results: Results) -> list[str]:
    said = [(text, run.cell.job) for run in results.runs if (text := as_text(run.values.get("note")).strip())]
    planned = dict.fromkeys(text for cell in results.cells if (text := cell.notes.strip()))
    notes = [*planned, *(f"{job}: {text}" for text, job in said)]
    if len(notes) > MAX_RUN_NOTES:
        return [*notes[:MAX_RUN_NOTES], f"{len(notes) - MAX_RUN_NOTES} more notes stand in runs.csv."]
    return notes


def _training_columns(summary: Summary) -> list[str]:
    labels = [measure.label for measure in summary.measures if measure.family == "training"]
    if any(measure.family == "group_ece" for measure in summary.measures):
        labels.append("ECE of the groups under each convention")
    return [f"Not shown here, but in summary.csv: {', '.join(map(_uncapitalised, labels))}."] if labels else []


def _uncapitalised(label: str) -> str:
    return label if label[:2].isupper() else label[0].lower() + label[1:]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
