"""Calibrate a finished run: fit on its validation logits, score on its test logits."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from trainers.calibration.inputs import Floats
from trainers.calibration.metrics import adaptive_ece, brier, classwise_ece, ece, nll
from trainers.calibration.posthoc import Calibrator, fit
from trainers.calibration.posthoc.forms import softmax
from trainers.calibration.posthoc.validation import SMALLEST
from trainers.errors import DataError, SpecError

_PREDICTIONS: Final = "predictions.npz"
_RESULT: Final = "result.json"
# Of numpy, zipfile and zlib; an array that is no archive is no context manager, and has no `files`.
_UNREADABLE: Final = (
    *(OSError, ValueError, EOFError, SyntaxError, TypeError, NotImplementedError),
    *(BadZipFile, TokenError, zlib.error),
)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a run wrote into `predictions.npz` and `result.json`.

    Attributes:
        val_logits: (V, C).
        val_targets: (V,).
        test_logits: (N, C).
        test_targets: (N,).
        class_counts: (C,) training images per class; None if the run did not write them.
    """

    val_logits: npt.NDArray[Any]
    val_targets: npt.NDArray[Any]
    test_logits: npt.NDArray[Any]
    test_targets: npt.NDArray[Any]
    class_counts: list[int] | None


def read_predictions(folder: Path) -> Predictions:
    """The stored logits of a run.

    Args:
        folder: of a finished attempt; `jobs/<job>/result` leads to it.

    Raises:
        DataError: no such run, one that is not finished, or a file that is broken.
        SpecError: the run has no validation split.
    """
    path = folder / _PREDICTIONS
    try:
        # From memory: numpy leaves a file open that turns out to be no archive.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {error}; name the folder of a finished run") from error
    missing = {"test_logits", "test_targets"} - set(arrays)
    if missing:
        raise DataError(f"{path} lacks {min(missing)}; name the folder of a finished run")
    if not {"val_logits", "val_targets"} <= set(arrays):
        raise SpecError(
            f"{folder} has no validation split, and nothing may be fitted on test; train with `val: {{fraction: 0.1}}`"
        )
    return Predictions(
        val_logits=arrays["val_logits"],
        val_targets=arrays["val_targets"],
        test_logits=arrays["test_logits"],
        test_targets=arrays["test_targets"],
        class_counts=_class_counts(folder / _RESULT),
    )


def _class_counts(path: Path) -> list[int] | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}; name the folder of a finished run") from error
    counts = document.get("class_counts") if isinstance(document, dict) else None
    return counts if isinstance(counts, list) else None


def calibrate(folder: Path, method: str, options: Mapping[str, Any]) -> tuple[Path, str]:
    """Fit a calibrator for a run and write it beside the run's other files.

    Returns:
        where the calibrator was written, and the table of the test split before and after.

    Raises:
        SpecError, DataError, ValueError: see `read_predictions` and `fit`. Nothing is written then.
        OSError: the calibrator could not be written.
    """
    run = read_predictions(folder)
    calibrator = fit(method, run.val_logits, run.val_targets, class_counts=run.class_counts, **options)
    text = comparison(calibrator, run.test_logits, run.test_targets)
    path = folder / f"calibrator-{calibrator.name}.json"
    calibrator.save(path)
    return path, text


# Binned probabilities may be 0: their NLL is that of `SMALLEST`, and finite.
_MEASURES: Final[Mapping[str, Callable[[Floats, Any], float]]] = {
    "accuracy": lambda probs, targets: float((probs.argmax(axis=1) == targets).mean()),
    "NLL": lambda probs, targets: nll(np.maximum(probs, SMALLEST), targets),
    "ECE": ece,
    "adaptive ECE": adaptive_ece,
    "classwise ECE": classwise_ece,
    "Brier": brier,
}


def scores(probs: Floats, targets: Any) -> dict[str, float]:
    """Accuracy, NLL, ECE, adaptive ECE, classwise ECE and Brier score of probabilities (N, C), by name."""
    return {name: measure(probs, targets) for name, measure in _MEASURES.items()}


def comparison(calibrator: Calibrator, logits: Any, targets: Any) -> str:
    """A table of a split before and after calibration: fractions, and the NLL in nats.

    Args:
        calibrator: fitted on another split.
        logits: (N, C).
        targets: (N,).
    """
    before = scores(softmax(np.asarray(logits, dtype=np.float64)), targets)
    after = scores(calibrator.probs(logits), targets)
    rows = [["test", *_MEASURES]]
    for name, row in (("before", before), (calibrator.name, after)):
        rows.append([name, *(f"{value:.4f}" for value in row.values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: list[str], widths: list[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *cells[1:]])
