"""The files that the seed's many-losses script wrote, merged from finished runs (calibration.md, sections 1, 2.4, 10).

One run has the seed's file names; of several seeds the first in the plan has, and the others' files, their log among
them, end in `_seed<n>`, so that an old notebook that knows no seeds reads one run per method. Epochs that were not
evaluated have no row.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from orchestrator.export.layouts import Files
from orchestrator.export.names import Named, file_safe, name_jobs
from orchestrator.export.source import Done, Source
from orchestrator.report.artefacts import BINS, as_float, read_epochs, read_scored, read_table

SEED_COLUMNS: Final = (
    "dataset",
    "num_classes",
    "backbone",
    "method",
    "epoch",
    "test_acc",
    "test_ece",
    "test_adaece",
    "test_classwise_ece",
    "test_nll",
    "test_acc_ts",
    "test_ece_ts",
    "test_adaece_ts",
    "test_classwise_ece_ts",
    "test_nll_ts",
    "lambda_if_any",
    "val_smooth_ece_if_any",
    "temperature_T",
)
# Behind the seed's own; empty where a run did not measure it.
FURTHER_COLUMNS: Final = (
    "seed",
    "lr",
    "train_loss",
    "val_acc",
    "val_ece",
    "val_nll",
    "test_brier",
    "test_brier_ts",
    "test_mce",
    "test_smece",
    "test_aurc",
    "test_predclass_ece",
    "test_many_ece",
    "test_medium_ece",
    "test_few_ece",
    "epoch_seconds",
)
# Theirs -> ours, where the names differ.
_OURS: Final = {"temperature_T": "temperature", "epoch_seconds": "seconds"}
_FLAT: Final = {
    "acc": "test_acc",
    "ece": "test_ece",
    "adaece": "test_adaece",
    "classwise": "test_classwise_ece",
    "nll": "test_nll",
}
BIN_STATS: Final = "val_bin_stats.txt"

Epochs = Sequence[Mapping[str, str]]


def files(source: Source) -> Files:
    """The files; what a run lacks is left out, and said in the notes."""
    names = name_jobs(source.jobs)
    if behind := dict.fromkeys(key for name in names.values() for key in name.behind):
        source.notes.append(f"jobs differ in {', '.join(behind)} too; the first in the plan has the plain names")
    logs: dict[str, list[list[str]]] = {}
    bins: dict[str, list[str]] = {}
    for done in source.done:
        name = names[done.job.id]
        epochs = [row for row in read_epochs(done.folder) if row.get("test_acc")] if done.folder is not None else []
        if not epochs:
            source.notes.append(f"{done.job.id} left no metrics.csv: it has no rows in the log")
        logs.setdefault(f"{file_safe(name.dataset)}_methods_log{name.suffix}.csv", []).extend(_log(name, done, epochs))
        yield from _diagram(name, done, source)
        yield f"done_{name.stem}.json", _json(_done_record(done, epochs))
        if done.folder is not None and (stats := list(bin_stats(read_table(done.folder / BINS)))):
            bins[name.stem] = stats
    for failed in source.failed:
        yield f"error_{names[failed.job.id].stem}.txt", failed.text.encode("utf-8", "replace")
    yield from _all_bins(bins, [names[done.job.id] for done in source.done])
    for file, rows in logs.items():
        yield file, _csv((*SEED_COLUMNS, *FURTHER_COLUMNS), rows)


def _log(name: Named, done: Done, epochs: Epochs) -> Iterator[list[str]]:
    counts = done.result.get("class_counts")
    temperature = ""
    for row in epochs:
        temperature = row.get("temperature") or temperature  # of the last fit, where not every epoch has one
        known = {
            **row,
            "dataset": name.dataset,
            "num_classes": str(len(counts)) if isinstance(counts, list) else "",
            "backbone": name.backbone,
            "method": name.method,
            "seed": str(name.seed),
            "temperature": temperature,
            # A temperature changes no decision.
            "test_acc_ts": row["test_acc"] if row.get("test_nll_ts") else "",
        }
        yield [known.get(_OURS.get(column, column), "") for column in (*SEED_COLUMNS, *FURTHER_COLUMNS)]


def _diagram(name: Named, done: Done, source: Source) -> Files:
    from trainers.figures.seed_style import seed_png

    scored = read_scored(done.folder, name.key, done.temperature) if done.folder is not None else None
    if scored is None:
        source.notes.append(f"{done.job.id} left no predictions.npz: it has no diagram")
    else:
        yield f"reliability_{name.stem}.png", seed_png(scored)


def _done_record(done: Done, epochs: Epochs) -> dict[str, Any]:
    """The seed's five numbers of the reported epoch, and the same of the last one and of the best by validation."""
    measured = [(score, row) for row in epochs if (score := as_float(row.get("val_acc", ""))) is not None]
    best = max(measured, key=lambda pair: pair[0])[1] if measured else None
    return {
        **{ours: _finite(done.metrics.get(theirs)) for ours, theirs in _FLAT.items()},
        "select": done.result.get("select"),
        "last": _numbers(epochs[-1]) if epochs else None,
        "best_val": _numbers(best) if best is not None else None,
    }


def _numbers(row: Mapping[str, str]) -> dict[str, Any]:
    epoch = as_float(row.get("epoch", ""))
    numbers = {ours: as_float(row.get(theirs, "")) for ours, theirs in _FLAT.items()}
    return {"epoch": None if epoch is None else int(epoch), **numbers}


def _finite(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def bin_stats(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """The lines of `val_bin_stats.txt`, one an update: bin -> its edges and its gamma, and neither epoch nor gap.

    Args:
        rows: of `val_bin_stats.csv`; a bin that is not above the one before begins another update.
    """
    update: dict[str, dict[str, float | None]] = {}
    last = -1
    for row in rows:
        number = as_float(row.get("bin", ""))
        if number is None:
            continue
        if int(number) <= last:
            yield json.dumps(update)
            update = {}
        last = int(number)
        update[str(last)] = {
            "lower_boundary": as_float(row.get("lower", "")),
            "upper_boundary": as_float(row.get("upper", "")),
            "gamma": as_float(row.get("gamma_after", "")),
        }
    if update:
        yield json.dumps(update)


def _all_bins(bins: Mapping[str, Sequence[str]], names: Sequence[Named]) -> Files:
    """The seed's one file, the first seeds' runs one after another as it appended them; and each run's own, if many."""
    first = {name.stem for name in names if not name.suffix}
    merged = [line for stem, lines in bins.items() if stem in first for line in lines]
    if merged:
        yield BIN_STATS, _lines(merged)
    for stem, lines in bins.items() if len(bins) > 1 else ():
        yield f"{BIN_STATS.removesuffix('.txt')}_{stem}.txt", _lines(lines)


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _json(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, allow_nan=False) + "\n").encode()


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
