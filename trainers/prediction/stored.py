"""What a finished run has left in its folder, read back: logits, targets, counts and what it says of itself."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from trainers.calibration.inputs import Floats, Integers, checked_counts, checked_logits
from trainers.errors import DataError

PREDICTIONS: Final = "predictions.npz"
INDICES: Final = "indices.npz"
RESULT: Final = "result.json"
_REMEDY: Final = "name the folder of a finished run"
# Of numpy, zipfile and zlib; an array that is no archive is no context manager, and has no `files`.
_UNREADABLE: Final = (
    *(OSError, ValueError, EOFError, SyntaxError, TypeError, NotImplementedError),
    *(BadZipFile, TokenError, zlib.error),
)


@dataclass(frozen=True, eq=False)
class Labelled:
    """A split as the network sees it.

    Attributes:
        logits: (N, C) float64.
        targets: (N,).
    """

    logits: Floats
    targets: Integers


@dataclass(frozen=True, eq=False)
class Stored:
    """A finished run.

    Attributes:
        folder: of the attempt.
        test: the test split.
        val: the validation split; None: it has none.
        class_counts: (C,) training images per class.
        class_names: (C,); empty where the run did not write them.
        result: its `result.json`.
    """

    folder: Path
    test: Labelled
    val: Labelled | None
    class_counts: Integers
    class_names: tuple[str, ...]
    result: Mapping[str, Any]

    def val_indices(self) -> Integers | None:
        """Which of the data set's training images the validation split is, (V,); None: the run does not say."""
        path = self.folder / INDICES
        return read_arrays(path).get("val") if path.is_file() else None


def read_stored(folder: Path) -> Stored:
    """A run's stored logits and result.

    Args:
        folder: of a finished attempt; `jobs/<job>/result` leads to it.

    Raises:
        DataError: no such run, one that is not finished, or a file that is broken.
    """
    path = folder / PREDICTIONS
    arrays = read_arrays(path)
    missing = {"test_logits", "test_targets"} - set(arrays)
    if missing:
        raise DataError(f"{path} lacks {min(missing)}; {_REMEDY}")
    result = _read_result(folder / RESULT)
    if "class_counts" not in result:
        raise DataError(f"{folder / RESULT} lacks class_counts, the training images per class; {_REMEDY}")
    try:
        test = Labelled(*checked_logits(arrays["test_logits"], arrays["test_targets"]))
        has_val = {"val_logits", "val_targets"} <= set(arrays)
        val = Labelled(*checked_logits(arrays["val_logits"], arrays["val_targets"])) if has_val else None
        counts = checked_counts(result["class_counts"], test.logits.shape[1])
    except (ValueError, TypeError) as error:
        raise DataError(f"{folder} does not hold a whole run ({error}); {_REMEDY}") from error
    names = tuple(map(str, arrays["class_names"])) if "class_names" in arrays else ()
    return Stored(folder, test, val, counts, names, result)


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an archive.

    Raises:
        DataError: it is not there, or broken.
    """
    try:
        # From memory: numpy leaves a file open that turns out to be no archive.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {error}; {_REMEDY}") from error


def _read_result(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}; {_REMEDY}") from error
    if not isinstance(document, dict):
        raise DataError(f"{path} holds no JSON object; {_REMEDY}")
    return document
