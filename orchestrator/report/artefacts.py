"""What a training run left in its folder, read back: the epochs, the predictions, AdaFocal's bins.

Nothing is read where nothing is, and what is no such file is passed over: a program may have left a file of that name.
"""

from __future__ import annotations

import csv
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from trainers.figures.gammas import BinHistory
    from trainers.figures.panels import Scored

METRICS: Final = "metrics.csv"
PREDICTIONS: Final = "predictions.npz"
BINS: Final = "val_bin_stats.csv"
MAX_TABLE_BYTES: Final = 64_000_000
_STAGE: Final = "stage"


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file as text; none where there is no such file, or it is no CSV of a table."""
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            return []
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []
    try:
        rows = list(csv.DictReader(text.splitlines()))
    except csv.Error:
        return []
    return [{key: value or "" for key, value in row.items() if key is not None} for row in rows]


def read_epochs(folder: Path) -> list[dict[str, str]]:
    """The epochs of `metrics.csv` as text; of a run in stages those of the last, whose epochs count from 1 again."""
    rows = read_table(folder / METRICS)
    return [row for row in rows if row.get(_STAGE) == rows[-1].get(_STAGE)]


def as_history(rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The same as numbers; None for what is empty or no number."""
    return [{key: as_float(cell) for key, cell in row.items()} for row in rows]


def as_float(cell: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_scored(folder: Path, name: str, temperature: float | None) -> Scored | None:
    """The test split as a run predicts it; None: it left no predictions that can be scored."""
    import numpy as np

    from trainers.figures.panels import Scored

    try:
        with np.load(folder / PREDICTIONS, allow_pickle=False) as arrays:
            scored = Scored(name, arrays["test_logits"], arrays["test_targets"], temperature)
        _ = scored.checked
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return scored


def read_bins(folder: Path, name: str) -> BinHistory | None:
    """AdaFocal's bins over the epochs; None: the run has none."""
    from trainers.figures.gammas import bin_history

    rows = read_table(folder / BINS)
    try:
        return bin_history(name, rows)
    except ValueError:
        return None
