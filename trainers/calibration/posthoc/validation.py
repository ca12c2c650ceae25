"""The validation split that a calibrator is fitted on, and what a fit gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainers.calibration.inputs import Floats, Integers, as_array, checked_counts, checked_logits
from trainers.calibration.posthoc.forms import Parameters, softmax
from trainers.calibration.softmax import log_softmax, nll_of_log_probs

if TYPE_CHECKING:
    from trainers.calibration.posthoc.calibrator import Calibrator

SMALLEST: Final = 1e-12  # a binned probability may be 0, and its logarithm is taken of this


@dataclass(frozen=True, eq=False)
class Split:
    """A validation split, checked.

    Attributes:
        logits: (N, C), N and C at least 1 and 2.
        targets: (N,), of two classes at least.
        class_counts: (C,) training images per class; None where they were not given.
    """

    logits: Floats
    targets: Integers
    class_counts: Integers | None

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.logits.shape[1])

    @property
    def probs(self) -> Floats:
        """(N, C), before calibration."""
        return softmax(self.logits)

    def need_every_class(self, name: str, why: str) -> None:
        """Refuse a split in which a class has no sample.

        Args:
            name: of the method.
            why: it needs them.

        Raises:
            ValueError: names the classes.
        """
        absent = np.flatnonzero(np.bincount(self.targets, minlength=self.num_classes) == 0)
        if absent.size:
            listed = ", ".join(map(str, absent[:5])) + (", ..." if absent.size > 5 else "")
            raise ValueError(
                f"{absent.size} of {self.num_classes} classes have no sample in the validation split ({listed}), and "
                f"{name} {why}; hold out some images of every class, or use temperature"
            )


@dataclass(frozen=True)
class Solution:
    """What a fit gives.

    Attributes:
        parameters: by the names of the method's form.
        facts: what is worth knowing of the fit; JSON values.
    """

    parameters: Parameters
    facts: Mapping[str, Any] = field(default_factory=dict)


def checked_split(logits: Any, targets: Any, class_counts: Any) -> Split:
    """The split, in float64 and int64.

    Raises:
        ValueError: see `trainers.calibration.posthoc.fit`.
    """
    shape = as_array(logits).shape
    if len(shape) == 2 and shape[0] == 0:
        raise ValueError("the validation split is empty: a calibrator needs some samples to be fitted on")
    if len(shape) == 2 and shape[1] == 1:
        raise ValueError("the logits have one class only; its probability is 1, and there is nothing to calibrate")
    scores, labels = checked_logits(logits, targets)
    if (labels == labels[0]).all():
        raise ValueError(
            f"the validation split holds one class only, {labels[0]}; a calibrator fitted on it would always answer so"
        )
    counts = None if class_counts is None else checked_counts(class_counts, scores.shape[1])
    return Split(scores, labels, counts)


def facts(split: Split, calibrator: Calibrator) -> dict[str, Any]:
    """Samples, and accuracy and NLL before and after, on the split that was fitted on; none of it is a test result."""
    before, after = log_softmax(split.logits), calibrator.probs(split.logits)
    return {
        "samples": len(split.targets),
        "acc_before": float((before.argmax(axis=1) == split.targets).mean()),
        "acc_after": float((after.argmax(axis=1) == split.targets).mean()),
        "nll_before": nll_of_log_probs(before, split.targets),
        "nll_after": nll_of_log_probs(np.log(np.maximum(after, SMALLEST)), split.targets),
    }
