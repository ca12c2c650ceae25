"""Predict again from a finished run: read what it left, apply transforms, score, and write the outcome beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trainers.atomic import written_whole
from trainers.calibration.inputs import Floats
from trainers.errors import SpecError
from trainers.metrics.classes import evaluate_classes
from trainers.metrics.evaluate import evaluate
from trainers.metrics.means import RECALL_FLOOR
from trainers.names import code, entry, parameters
from trainers.outputs import TEST_SELECTED, as_json, class_results
from trainers.prediction import TRANSFORMS
from trainers.prediction.options import checked_options
from trainers.prediction.steps import Parameter, Prediction, Step, first
from trainers.prediction.stored import Stored, read_stored
from trainers.prediction.table import lines_of

Asked = Sequence[tuple[str, Mapping[str, Any]]]

_SCHEMA: Final = 1
_COLUMNS: Final[Mapping[str, str]] = {
    "accuracy": "test_acc",
    "GM": "test_gm",
    "HM": "test_hm",
    "lowest recall": "test_lowest_recall",
    "balanced": "test_balanced_acc",
    "NLL": "test_nll",
    "ECE": "test_ece",
}


@dataclass(frozen=True, eq=False)
class Applied:
    """One transform, done.

    Attributes:
        name: of `TRANSFORMS`.
        step: what it gave.
        metrics: of the test split after it.
    """

    name: str
    step: Step
    metrics: Mapping[str, Any]


def predict_again(folder: Path, asked: Asked) -> tuple[Path, str]:
    """Apply transforms to a run, in order, and write `prediction-<names>.json` and `.npz` beside its other files.

    Args:
        folder: of a finished attempt.
        asked: names of `TRANSFORMS`, or aliases, each at most once, with their options.

    Returns:
        where the JSON file was written, and the table of the test split before and after.

    Raises:
        SpecError, DataError, ValueError: what was asked for cannot be done; nothing is written then.
        OSError: a file could not be written.
    """
    steps = _checked(asked)
    run = read_stored(folder)
    before = first(run)
    prediction, applied = before, []
    for name, options in steps:
        step: Step = code(TRANSFORMS[name])(run, prediction, **options)
        prediction = step.prediction
        applied.append(Applied(name, step, _metrics(run, prediction.test)))
    base = _metrics(run, before.test)
    names = "-".join(one.name for one in applied)
    path = folder / f"prediction-{names}.json"
    _write(path, _document(run, base, applied), _arrays(run, prediction))
    return path, _text(run, base, applied)


def _checked(asked: Asked) -> list[tuple[str, dict[str, Any]]]:
    """Canonical names and complete options.

    Raises:
        SpecError: no such transform or option, a value that it may not have, none at all, or one of them twice.
    """
    steps: list[tuple[str, dict[str, Any]]] = []
    for name, given in asked:
        canonical, found = entry(TRANSFORMS, "transform", name)
        if any(canonical == earlier for earlier, _ in steps):
            raise SpecError(f"{canonical} is asked for twice; once is enough")
        values = parameters(found, canonical, given)
        steps.append((canonical, checked_options(canonical, found, values)))
    if not steps:
        raise SpecError(f"no transform is asked for; give --transform with one of {', '.join(TRANSFORMS)}")
    return steps


def _metrics(run: Stored, logits: Floats) -> dict[str, Any]:
    scores = evaluate(logits, run.test.targets, run.class_counts)
    return {name: value for name, value in scores.items() if not name.endswith("_ts")}


def _document(run: Stored, before: Mapping[str, Any], applied: Sequence[Applied]) -> dict[str, Any]:
    after = applied[-1].step.prediction.test
    return {
        "schema": _SCHEMA,
        "transforms": [
            {
                "name": one.name,
                "parameters": {
                    key: {"value": chosen.value, "from": chosen.origin} for key, chosen in one.step.parameters.items()
                },
                "metrics": one.metrics,
            }
            for one in applied
        ],
        "before": before,
        "metrics": applied[-1].metrics,
        **class_results(evaluate_classes(after, run.test.targets, run.class_counts)),
        "select": run.result.get("select"),
        "notes": _notes(run, applied),
    }


def _arrays(run: Stored, after: Prediction) -> dict[str, npt.NDArray[Any]]:
    """As in the run's own `predictions.npz`."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "test_logits": after.test.astype(np.float32),
        "test_targets": run.test.targets,
        "class_names": np.asarray(run.class_names, dtype=np.str_),
    }
    if after.val is not None and run.val is not None:
        arrays |= {"val_logits": after.val.astype(np.float32), "val_targets": run.val.targets}
    return arrays


def _write(path: Path, document: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """The JSON file last, and no older one beside newer arrays: where it is, both are whole and belong together.

    Raises:
        OSError: a file could not be written.
    """
    written = as_json(document)
    path.unlink(missing_ok=True)
    with written_whole(path.with_suffix(".npz")) as file:
        np.savez(file, allow_pickle=False, **arrays)
    with written_whole(path) as file:
        file.write(written)


def _notes(run: Stored, applied: Sequence[Applied]) -> list[str]:
    notes = [f"{one.name}: {note}" for one in applied for note in one.step.notes]
    if run.result.get("select") == "best_test":
        notes.append(f"The run is optimistic: {TEST_SELECTED} (select: best_test).")
    return notes


def _text(run: Stored, before: Mapping[str, Any], applied: Sequence[Applied]) -> str:
    """The test split before and after each transform: fractions, and the NLL in nats; then how each was done."""
    rows = [["test", *_COLUMNS], ["before", *_cells(before)]]
    rows += [[f"{'+ ' if number else ''}{one.name}", *_cells(one.metrics)] for number, one in enumerate(applied)]
    told = [f"{one.name}: {_parameters(one.step.parameters)}" for one in applied if one.step.parameters]
    floor = f"GM and HM count a recall below {RECALL_FLOOR:g} as {RECALL_FLOOR:g}; the lowest recall is as it is."
    return "\n".join([*lines_of(rows), "", *told, *_notes(run, applied), floor])


def _cells(metrics: Mapping[str, Any]) -> list[str]:
    return [f"{metrics[key]:.4f}" for key in _COLUMNS.values()]


def _parameters(chosen: Mapping[str, Parameter]) -> str:
    """As `tau=1.35 (val)`."""
    return ", ".join(f"{key}={_plain(one.value)} ({one.origin})" for key, one in chosen.items())


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
