"""A fitted calibrator: predicts, and is a JSON file on disk, which is data whoever wrote it; numpy only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from trainers.atomic import written_whole
from trainers.calibration.inputs import Floats, as_array, checked_logits
from trainers.calibration.posthoc.forms import FORMS, Parameters, softmax
from trainers.errors import DataError
from trainers.patience import ONE_TRY, Patience

_SCHEMA: Final = 1
_COMMAND: Final = "python -m trainers.calibration.posthoc RUN_FOLDER"


@dataclass(frozen=True, eq=False)
class Calibrator:
    """Makes calibrated probabilities from logits.

    Attributes:
        name: of `METHODS`.
        num_classes: C.
        parameters: numbers and arrays, by name; see `FORMS`.
        options: what it was fitted with.
        facts: what the fit saw: samples, and accuracy and NLL before and after on the validation split.
    """

    name: str
    num_classes: int
    parameters: Parameters
    options: Mapping[str, Any]
    facts: Mapping[str, Any]

    def probs(self, logits: Any) -> Floats:
        """Calibrated probabilities (N, C) float64; rows sum to one.

        Args:
            logits: (N, C) finite scores as they come from the network, numpy or torch.

        Raises:
            ValueError: another number of classes, no sample, NaN or infinity.
        """
        form = FORMS[self.name]
        mapped = form.apply(self.parameters, self._checked(logits))
        return softmax(mapped) if form.gives_logits else mapped

    def logits(self, logits: Any) -> Floats:
        """Calibrated logits (N, C) float64, whose softmax is `probs`.

        Raises:
            ValueError: what `probs` raises, or a method that maps probabilities and may map them to 0.
        """
        form = FORMS[self.name]
        if not form.gives_logits:
            raise ValueError(f"{self.name} maps probabilities, some of them to 0, and gives no logits; use probs")
        return form.apply(self.parameters, self._checked(logits))

    def save(self, path: Path, patience: Patience = ONE_TRY) -> None:
        """Write a JSON file, whole or not at all; `load` reads the same bits.

        Raises:
            OSError: it could not be written. Also what `Patience.retry` raises.
        """
        document = {
            "schema": _SCHEMA,
            "calibrator": self.name,
            "num_classes": self.num_classes,
            "options": self.options,
            "facts": self.facts,
            "parameters": {key: np.asarray(value).tolist() for key, value in self.parameters.items()},
        }
        with written_whole(path, patience) as file:
            file.write((json.dumps(document, allow_nan=False) + "\n").encode())

    def _checked(self, logits: Any) -> Floats:
        array = as_array(logits)
        scores, _ = checked_logits(array, np.zeros(len(array) if array.ndim else 0, dtype=np.int64))
        if scores.shape[1] != self.num_classes:
            raise ValueError(f"logits has {scores.shape[1]} classes; the calibrator was fitted on {self.num_classes}")
        return scores


def load(path: Path) -> Calibrator:
    """Read what `Calibrator.save` wrote.

    Raises:
        DataError: no such file, or it holds something else; names the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text, parse_constant=_refuse)
        return _parse(document)
    # RecursionError: of brackets, a thousand deep.
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a calibrator: {error}; fit one with {_COMMAND}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}")


def _parse(document: Any) -> Calibrator:
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        raise ValueError(f"it holds no JSON object of schema {_SCHEMA}")
    name, num_classes, given = (document.get(key) for key in ("calibrator", "num_classes", "parameters"))
    form = FORMS.get(name) if isinstance(name, str) else None
    if form is None:
        raise ValueError(f"its calibrator is {name!r}, which is none of {', '.join(FORMS)}")
    if type(num_classes) is not int or num_classes < 2:
        raise ValueError(f"its num_classes is {num_classes!r}")
    if not isinstance(given, dict) or set(given) != set(form.shapes):
        raise ValueError(f"its parameters are not {', '.join(form.shapes)}")
    if not all(isinstance(document.get(key), dict) for key in ("options", "facts")):
        raise ValueError("it lacks options or facts")
    sizes = {"C": num_classes, "C + 1": num_classes + 1}
    parameters = {key: _array(key, given[key], shape, sizes, key in form.integers)
                  for key, shape in form.shapes.items()}  # fmt: skip
    problem = form.check(parameters)
    if problem:
        raise ValueError(problem)
    return Calibrator(str(name), num_classes, parameters, document["options"], document["facts"])


def _array(key: str, value: Any, shape: tuple[str | int, ...], sizes: dict[str, int], is_integer: bool) -> Any:
    """The parameter as an array, or as a float if it is one; a letter that `sizes` lacks gets its size here."""
    array = np.asarray(value)  # ValueError: a ragged list
    if array.dtype.kind not in ("i" if is_integer else "fi"):
        raise ValueError(f"its {key} is not made of {'integers' if is_integer else 'numbers'}")
    if array.ndim != len(shape) or 0 in array.shape:
        raise ValueError(f"its {key} has shape {array.shape}")
    for wanted, found in zip(shape, array.shape, strict=True):
        if (wanted if isinstance(wanted, int) else sizes.setdefault(wanted, found)) != found:
            raise ValueError(f"its {key} has shape {array.shape}, which does not fit the rest")
    if not np.isfinite(array).all():
        raise ValueError(f"its {key} is not finite")
    return array if is_integer else (array.astype(np.float64) if array.ndim else float(array))
