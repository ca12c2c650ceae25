"""The transforms as steps: each takes a run, its prediction so far and options, and gives the next prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainers.calibration.inputs import Floats
from trainers.calibration.temperature import fit_temperature
from trainers.errors import SpecError
from trainers.outputs import TEST_SELECTED
from trainers.prediction.choosing import LOGIT_ADJUSTMENT_GRID, TAU_NORM_GRID, choose
from trainers.prediction.options import VAL
from trainers.prediction.stored import Labelled, Stored, read_stored
from trainers.prediction.transforms import averaged, ensembled, log_prior, logit_adjusted, tau_normalised

Origin = Literal["given", "val", "default"]
Change = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value, and whether it was given, chosen on the validation split, or is the default for want of one."""

    value: Any
    origin: Origin


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is predicted after some transforms.

    Attributes:
        test: logits (N, C); their softmax is the prediction.
        val: of the validation split, (V, C); None where there is none to choose on.
        changes: what was done to the logits of an image so far, in order; None: it is more than one view of an image,
            or more than one network's.
    """

    test: Floats
    val: Floats | None
    changes: tuple[Change, ...] | None = ()

    def changed(self, change: Change) -> Prediction:
        """After one more change, the same for every image."""
        changes = None if self.changes is None else (*self.changes, change)
        return Prediction(change(self.test), None if self.val is None else change(self.val), changes)


@dataclass(frozen=True, eq=False)
class Step:
    """What a transform gives.

    Attributes:
        prediction: after it.
        parameters: what it was done with.
        notes: what a reader of its numbers should know, as sentences.
    """

    prediction: Prediction
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def first(run: Stored) -> Prediction:
    """What the run itself predicts."""
    return Prediction(run.test.logits, None if run.val is None else run.val.logits)


def adjust_logits(run: Stored, before: Prediction, *, tau: Any = None) -> Step:
    """See `transforms.logit_adjusted`; without a validation split tau is 1.

    Raises:
        SpecError, ValueError: a tau that cannot be had, a class without a training image.
    """
    prior = log_prior(run.class_counts)
    grid = LOGIT_ADJUSTMENT_GRID
    chosen = _resolved(run, before, tau, lambda val: _best(grid, val, lambda z, at: logit_adjusted(z, prior, at)), 1.0)
    after = before.changed(lambda logits: logit_adjusted(logits, prior, chosen.value))
    return Step(after, {"tau": chosen}, _notes("tau", chosen, grid))


def normalise_head(run: Stored, before: Prediction, *, tau: Any = None) -> Step:
    """See `transforms.tau_normalised`; the head is the checkpoint's, and without a validation split tau is 1.

    Raises:
        SpecError: a tau that cannot be had, another transform before it, a head that is not linear.
        DataError: no checkpoint of this run.
    """
    from trainers.prediction.network import linear_head  # imports torch

    if before.changes != ():
        raise SpecError("tau_norm changes the head, so it comes before the other transforms; put it first")
    weight, bias = linear_head(run)
    grid = TAU_NORM_GRID

    def normalised(logits: Floats, at: float) -> Floats:
        return tau_normalised(logits, weight, bias, at)

    chosen = _resolved(run, before, tau, lambda val: _best(grid, val, normalised), 1.0)
    after = before.changed(lambda logits: normalised(logits, chosen.value))
    return Step(after, {"tau": chosen}, _notes("tau", chosen, grid))


def average_flips(run: Stored, before: Prediction, *, dataset: Any = None) -> Step:
    """The mean of the probabilities of an image and of its mirror image, both changed as before this step.

    Raises:
        SpecError: other networks have a part in the prediction, or images of this data set are not flipped.
        DataError: no checkpoint of this run, or the data set is missing or another one.
    """
    from trainers.prediction.network import mirrored_logits  # imports torch

    if before.changes is None:
        raise SpecError("flip asks the run's own network, which is one of several after ensemble; put flip before it")
    test, val, precision = mirrored_logits(run, dataset, has_val=before.val is not None)
    for change in before.changes:
        test, val = change(test), None if val is None else change(val)
    after = Prediction(
        averaged(before.test, test), None if before.val is None or val is None else averaged(before.val, val), None
    )
    parameters = {} if dataset is None else {"dataset": Parameter(dataset, "given")}
    return Step(after, parameters, (f"The mirror images were predicted in {precision}.",))


def average_runs(run: Stored, before: Prediction, *, t1: Any = None, t2: Any = None, **named: Any) -> Step:
    """See `transforms.ensembled`: the run is the new one, `with` the folder of the old one.

    Each temperature is fitted on that run's own validation split; without one it is 1.

    Raises:
        SpecError: a temperature that cannot be had, or the runs have not the same test split.
        DataError: the other folder holds no finished run.
    """
    folder = Path(str(named["with"]))
    other = read_stored(folder)
    _refuse_other_test(run, other)
    old = first(other)
    new_t, old_t = (
        _resolved(one, prediction, given, lambda val: fit_temperature(val.logits, val.targets), 1.0)
        for one, prediction, given in ((run, before, t1), (other, old, t2))
    )
    notes = []
    if other.result.get("select") == "best_test":
        notes.append(f"The run beside is optimistic: {TEST_SELECTED} (select: best_test).")
    val = None
    if before.val is not None:
        if old.val is not None and _have_same_val(run, other):
            val = ensembled(before.val, old.val, new_t.value, old_t.value)
        else:
            notes.append("The two runs have not the same validation split: nothing after the ensemble can be fitted.")
    for key, chosen in (("t1", new_t), ("t2", old_t)):
        notes += _notes(key, chosen, ())
    after = Prediction(ensembled(before.test, old.test, new_t.value, old_t.value), val, None)
    return Step(after, {"with": Parameter(str(folder), "given"), "t1": new_t, "t2": old_t}, tuple(notes))


def scale(run: Stored, before: Prediction, *, t: Any = None) -> Step:
    """Logits divided by a temperature, which minimises the NLL of the validation split unless it is given.

    Raises:
        SpecError: it is not given, and there is no validation split.
    """
    chosen = _resolved(run, before, t, lambda val: fit_temperature(val.logits, val.targets), None)
    return Step(before.changed(lambda logits: logits / chosen.value), {"t": chosen})


def _best(grid: tuple[float, ...], val: Labelled, changed: Callable[[Floats, float], Floats]) -> float:
    return choose(grid, lambda value: changed(val.logits, value), val.targets)


def _resolved(
    run: Stored, before: Prediction, given: Any, fit: Callable[[Labelled], float], default: float | None
) -> Parameter:
    """A parameter as it was given, or as the validation split or, for want of one, the default has it.

    Raises:
        SpecError: there is no validation split, and one was asked for or there is no default; or there is one that the
            other runs of an ensemble do not share.
    """
    if given is not None and given != VAL:
        return Parameter(given, "given")
    if run.val is not None and before.val is not None:
        return Parameter(fit(Labelled(before.val, run.val.targets)), "val")
    if run.val is not None:
        raise SpecError(
            "the runs of the ensemble do not share a validation split, so that nothing after it can be chosen on one; "
            "give a number, or put this transform before ensemble"
        )
    if given == VAL or default is None:
        raise SpecError(
            f"{run.folder} has no validation split to choose on, and nothing may be fitted on test; give a number, or "
            "train with `val: {fraction: 0.1}`"
        )
    return Parameter(default, "default")


def _notes(key: str, chosen: Parameter, grid: tuple[float, ...]) -> tuple[str, ...]:
    if chosen.origin == "default":
        return (f"{key} is {chosen.value:g}, the default: there is no validation split to choose it on.",)
    if chosen.origin == "val" and grid and chosen.value == grid[-1]:
        return (f"{key} is {chosen.value:g}, the end of its grid.",)
    return ()


def _refuse_other_test(run: Stored, other: Stored) -> None:
    """Refuse a run whose logits cannot be added, image by image.

    Raises:
        SpecError: it has another test split.
    """
    if other.test.logits.shape != run.test.logits.shape:
        raise SpecError(
            f"{other.folder} has test logits of shape {other.test.logits.shape}, {run.folder} {run.test.logits.shape}; "
            "name a run on the same data set"
        )
    if not np.array_equal(other.test.targets, run.test.targets) or other.class_names != run.class_names:
        raise SpecError(
            f"{other.folder} and {run.folder} have not the same test split; name a run on the same data set"
        )


def _have_same_val(run: Stored, other: Stored) -> bool:
    if run.val is None or other.val is None or not np.array_equal(run.val.targets, other.val.targets):
        return False
    own, theirs = run.val_indices(), other.val_indices()
    return own is not None and theirs is not None and np.array_equal(own, theirs)
