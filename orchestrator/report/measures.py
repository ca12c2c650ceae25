"""What is known about the numbers of a result: their names on paper, their unit, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Family = Literal["accuracy", "groups", "calibration", "group_ece", "training", "other"]
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One column of numbers.

    Attributes:
        key: its name in `metrics.csv` or in a job's own result.
        label: its heading on paper, without the unit.
        family: the table it stands in.
        better: which end of it is printed bold.
        is_percent: whether it is a fraction that is printed times 100.
    """

    key: str
    label: str
    family: Family = "other"
    better: Better = "neither"
    is_percent: bool = False

    @property
    def heading(self) -> str:
        """The label with its unit."""
        return f"{self.label} (%)" if self.is_percent else self.label

    @property
    def places(self) -> int | None:
        """Decimals of the value itself (not of its percentage) that are printed; None: four significant digits."""
        if self.is_percent:
            return 4
        return None if self.family == "other" else 3


def _accuracy(key: str, label: str) -> Measure:
    return Measure(key, label, "accuracy", "higher", is_percent=True)


def _error(key: str, label: str) -> Measure:
    return Measure(key, label, "calibration", "lower", is_percent=True)


KNOWN: Final = (
    _accuracy("test_acc", "Accuracy"),
    _accuracy("test_acc_many", "Many"),
    _accuracy("test_acc_medium", "Medium"),
    _accuracy("test_acc_few", "Few"),
    _accuracy("test_top5", "Top-5"),
    _accuracy("test_macro_f1", "Macro F1"),
    _accuracy("test_tail_macro_f1", "Tail F1"),
    _accuracy("test_gm", "GM"),
    _accuracy("test_hm", "HM"),
    _accuracy("test_lowest_recall", "Lowest recall"),
    _accuracy("test_balanced_acc", "Balanced accuracy"),
    _error("test_ece", "ECE"),
    _error("test_ece_ts", "ECE, TS"),
    _error("test_adaece", "AdaECE"),
    _error("test_adaece_ts", "AdaECE, TS"),
    _error("test_classwise_ece", "cw-ECE"),
    _error("test_classwise_ece_ts", "cw-ECE, TS"),
    _error("test_ece_many", "ECE, many"),
    _error("test_ece_medium", "ECE, medium"),
    _error("test_ece_few", "ECE, few"),
    Measure("test_nll", "NLL", "calibration", "lower"),
    Measure("test_nll_ts", "NLL, TS", "calibration", "lower"),
    Measure("temperature", "T", "calibration"),
    Measure("train_loss", "Training loss", "training"),
    Measure("train_acc", "Training accuracy", "training", is_percent=True),
    Measure("val_acc", "Validation accuracy", "training", is_percent=True),
    Measure("val_nll", "Validation NLL", "training"),
)
_BY_KEY: Final[Mapping[str, Measure]] = {measure.key: measure for measure in KNOWN}

# What a trainer says of how a run went, not of how good it is: it stands in `runs.csv` and is not averaged.
BOOKKEEPING: Final = frozenset(
    {"schema", "stage", "epoch", "lr", "seconds", "samples_seen", "num_parameters", "recall_floor"}
)

# Groups of classes, and what a result says of each under `groups.<convention>.<group>`.
GROUPS: Final = ("many", "medium", "few")
_OF_GROUPS: Final[Mapping[str, tuple[str, Family, Better]]] = {
    "accuracy": ("", "groups", "higher"),
    "ece": ("ECE, ", "group_ece", "lower"),
}


def measures_of(keys: Iterable[str]) -> tuple[Measure, ...]:
    """The measures behind `keys`: the known ones in the order of `KNOWN`, those of groups, then the others as given.

    Beside known ones, bookkeeping is no measure; a program that returns nothing but its `seconds` measured those.
    """
    wanted = dict.fromkeys(keys)
    known = [measure for measure in KNOWN if measure.key in wanted]
    # A program of another kind may have `groups` of its own.
    found = [measure for key in wanted if (measure := _of_group(key)) is not None] if known else []
    conventions = dict.fromkeys(convention_of(measure) for measure in found)
    in_order = [each for name in conventions for of in _OF_GROUPS for each in group_measures(name, of)]
    groups = [measure for measure in in_order if measure.key in wanted]
    passed_over = BOOKKEEPING.union(measure.key for measure in groups) if known else frozenset()
    others = (key for key in wanted if key not in _BY_KEY and key not in passed_over)
    return (*known, *groups, *(Measure(key, key) for key in others))


def group_measures(convention: str, of: str = "accuracy") -> tuple[Measure, ...]:
    """The measures of all groups of a convention, whether there are such groups or not."""
    prefix, family, better = _OF_GROUPS[of]
    return tuple(
        Measure(f"groups.{convention}.{group}.{of}", f"{prefix}{convention} {group}", family, better, is_percent=True)
        for group in GROUPS
    )


def convention_of(measure: Measure) -> str:
    """The convention that a measure of a group belongs to."""
    return measure.key.split(".")[1]


def is_metric(key: str) -> bool:
    """Whether a column holds numbers of a known kind."""
    return key in _BY_KEY or _of_group(key) is not None


def _of_group(key: str) -> Measure | None:
    parts = key.split(".")
    if len(parts) != 4 or parts[0] != "groups" or parts[3] not in _OF_GROUPS:
        return None
    return next((measure for measure in group_measures(parts[1], parts[3]) if measure.key == key), None)
