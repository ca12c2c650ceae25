"""What a finished run leaves in its folder, apart from the checkpoint and the log. Every file is whole or absent."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trainers.atomic import written_whole
from trainers.calibration.inputs import checked_counts, checked_logits
from trainers.catalogue import METRIC_COLUMNS
from trainers.metrics.classes import Classes, evaluate_classes
from trainers.metrics.means import RECALL_FLOOR
from trainers.patience import ONE_TRY, Patience

Cell = float | int | str | None
Row = Mapping[str, Cell]

# Columns that name a row; the others are measured.
LABEL_COLUMNS: Final = ("stage", "model", "method")
# Beyond so many classes, lists of classes stand in per_class.csv alone: a worker takes a result.json of 64 KiB.
MOST_LISTED: Final = 1000
TEST_SELECTED: Final = "epoch selected on the test split"
_LIST_OF_NUMBERS: Final = re.compile(r'\[\n\s+([^][{}"]*?)\n\s*\]')


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A finished run as plain values.

    Attributes:
        history: one row an epoch, keyed by column names; what is missing or None does not apply.
        reported: index in `history` of the epoch that the logits, the temperature and `result.json` stand for.
        test_logits: (N, C); test_targets: (N,).
        val_logits: (V, C), and val_targets (V,), where the run has a validation split.
        class_counts: (C,) training images per class, in the order of `class_names`.
        temperature: fitted on the validation split at the reported epoch.
        title: stands above the figures.
        extra: further keys of `result.json`.
    """

    history: Sequence[Row]
    reported: int
    test_logits: npt.ArrayLike
    test_targets: npt.ArrayLike
    class_counts: Sequence[int]
    class_names: Sequence[str]
    val_logits: npt.ArrayLike | None = None
    val_targets: npt.ArrayLike | None = None
    temperature: float | None = None
    title: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_outputs(folder: Path, run: Run, patience: Patience = ONE_TRY) -> None:
    """Write metrics.csv, class_counts.csv, per_class.csv, predictions.npz, two figures and, last, result.json.

    Args:
        folder: of the attempt.
        run: what is written.
        patience: with a folder that cannot be written.

    Raises:
        ValueError: logits that are not finite or do not fit the targets or the classes, or no row `run.reported`;
            nothing is written then.
        OSError: the folder could not be written. Also what `Patience.retry` raises.
    """
    # Here, because matplotlib takes longer to import than a short job takes to start.
    from trainers.figures.curves import curves_figure
    from trainers.figures.reliability import reliability_figure
    from trainers.figures.style import save_png

    _check(run)
    classes = evaluate_classes(run.test_logits, run.test_targets, run.class_counts)
    result = _result(run, classes)
    title = f"{run.title}; {TEST_SELECTED}" if run.extra.get("select") == "best_test" else run.title
    write_metrics_csv(folder / "metrics.csv", run.history, patience)
    _write_class_counts(folder / "class_counts.csv", run, patience)
    _write_per_class(folder / "per_class.csv", run, classes, patience)
    _write_predictions(folder / "predictions.npz", run, patience)
    with written_whole(folder / "reliability.png", patience) as file:
        save_png(reliability_figure(run.test_logits, run.test_targets, run.temperature, title), file)
    with written_whole(folder / "curves.png", patience) as file:
        save_png(curves_figure(run.history, run.reported, title), file)
    with written_whole(folder / "result.json", patience) as file:
        file.write(as_json(result))


def as_json(document: Mapping[str, Any]) -> bytes:
    """A JSON file for people and programs: what is not finite is null, and a list of numbers stands on one line."""
    text = json.dumps(_finite(document), indent=1, allow_nan=False)
    return (_LIST_OF_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n").encode()


def class_results(classes: Classes) -> dict[str, Any]:
    """The keys of a result that tell of classes: `recalls`, `groups`, `recall_floor`."""
    is_listed = len(classes.recall) <= MOST_LISTED
    return {
        "recalls": classes.recall.tolist() if is_listed else None,
        "groups": {
            convention: {
                name: {
                    **({"classes": np.flatnonzero(group.mask).tolist()} if is_listed else {}),
                    "accuracy": group.accuracy,
                    "ece": group.ece,
                }
                for name, group in groups.items()
            }
            for convention, groups in classes.groups.items()
        },
        "recall_floor": RECALL_FLOOR,
    }


def _check(run: Run) -> None:
    """Refuse a run before anything of it is written."""
    if not 0 <= run.reported < len(run.history):
        raise ValueError(f"row {run.reported} of a history of {len(run.history)} epochs cannot be reported")
    if (run.val_logits is None) != (run.val_targets is None):
        raise ValueError("a validation split needs both val_logits and val_targets")
    splits = [(run.test_logits, run.test_targets)]
    if run.val_logits is not None and run.val_targets is not None:
        splits.append((run.val_logits, run.val_targets))
    for logits, targets in splits:
        checked, _ = checked_logits(logits, targets)
        checked_counts(run.class_counts, checked.shape[1])
    if len(run.class_names) != len(run.class_counts):
        raise ValueError(f"{len(run.class_names)} class_names for {len(run.class_counts)} classes")


def write_metrics_csv(path: Path, history: Sequence[Row], patience: Patience = ONE_TRY) -> None:
    """Rewrite the table of all epochs: `METRIC_COLUMNS`, then further columns in the order they first appear.

    A cell that is missing or None is empty; a measured NaN or infinity is written as `nan` or `inf`.
    """
    further = dict.fromkeys(name for row in history for name in row if name not in METRIC_COLUMNS)
    columns = [*METRIC_COLUMNS, *further]
    _write_table(path, columns, ([_plain(row.get(name)) for name in columns] for row in history), patience)


def write_rows(path: Path, rows: Sequence[Row], patience: Patience = ONE_TRY) -> None:
    """Rewrite a table whose rows all have the columns of the first."""
    columns = list(rows[0])
    _write_table(path, columns, ([_plain(row.get(name)) for name in columns] for row in rows), patience)


def _write_class_counts(path: Path, run: Run, patience: Patience) -> None:
    """Images per class and split; the validation column is empty where there is no such split."""
    num_classes = len(run.class_counts)
    test = np.bincount(np.asarray(run.test_targets), minlength=num_classes)
    val: Iterable[Any] = [None] * num_classes
    if run.val_targets is not None:
        val = np.bincount(np.asarray(run.val_targets), minlength=num_classes)
    rows = zip(range(num_classes), run.class_names, run.class_counts, val, test, strict=True)
    _write_table(path, ["class", "name", "train", "val", "test"], rows, patience)


def _write_per_class(path: Path, run: Run, classes: Classes, patience: Patience) -> None:
    """What each class comes to, and the group that it is in under each convention; NaN is an empty cell."""
    names: list[list[str]] = [[""] * len(classes.recall) for _ in classes.groups]
    for of_class, groups in zip(names, classes.groups.values(), strict=True):
        for name, group in groups.items():
            for label in np.flatnonzero(group.mask):
                of_class[label] = name
    measured = [
        [_finite(value) for value in column.tolist()] for column in (classes.recall, classes.precision, classes.f1)
    ]
    counts = (range(len(classes.recall)), run.class_names, run.class_counts, classes.support.tolist())
    columns = ["class", "name", "train", "test", "recall", "precision", "f1", *classes.groups]
    _write_table(path, columns, zip(*counts, *measured, *names, strict=True), patience)


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]], patience: Patience) -> None:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    with written_whole(path, patience) as file:
        file.write(text.getvalue().encode())


def _write_predictions(path: Path, run: Run, patience: Patience) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {
        "test_logits": np.asarray(run.test_logits, dtype=np.float32),
        "test_targets": np.asarray(run.test_targets, dtype=np.int64),
        "class_names": np.asarray(run.class_names, dtype=np.str_),
    }
    if run.val_logits is not None:
        arrays["val_logits"] = np.asarray(run.val_logits, dtype=np.float32)
        arrays["val_targets"] = np.asarray(run.val_targets, dtype=np.int64)
    with written_whole(path, patience) as file:
        np.savez(file, allow_pickle=False, **arrays)


def _result(run: Run, classes: Classes) -> dict[str, Any]:
    """`result.json`; a class without a test sample has no recall."""
    row = run.history[run.reported]
    measured = {name: row.get(name) for name in [*METRIC_COLUMNS, *row] if name not in LABEL_COLUMNS}
    known = {
        "schema": 1,
        "metrics": {name: value for name, value in measured.items() if not isinstance(value, str)},
        "epoch": row.get("epoch"),
        "temperature": run.temperature,
        "class_counts": list(run.class_counts),
        **class_results(classes),
    }
    return {**known, **run.extra}


def _finite(value: Any) -> Any:
    """The value as JSON may hold it: numpy scalars unwrapped, NaN and infinity as None."""
    value = _plain(value)
    if isinstance(value, Mapping):
        return {str(name): _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _plain(value: Any) -> Any:
    """A numpy scalar or array as the Python value it stands for; anything else as it is."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
