"""What is known about the numbers of a result: their names on paper, their unit, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Family = Literal["accuracy", "calibration", "training", "other"]
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
    _error("test_ece", "ECE"),
    _error("test_ece_ts", "ECE, TS"),
    _error("test_adaece", "AdaECE"),
    _error("test_adaece_ts", "AdaECE, TS"),
    _error("test_classwise_ece", "cw-ECE"),
    _error("test_classwise_ece_ts", "cw-ECE, TS"),
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
BOOKKEEPING: Final = frozenset({"schema", "stage", "epoch", "lr", "seconds", "samples_seen", "num_parameters"})


def measures_of(keys: Iterable[str]) -> tuple[Measure, ...]:
    """The measures behind `keys`: the known ones in the order of `KNOWN`, then the others in the order given.

    Beside known ones, bookkeeping is no measure; a program that returns nothing but its `seconds` measured those.
    """
    wanted = dict.fromkeys(keys)
    known = [measure for measure in KNOWN if measure.key in wanted]
    passed_over = BOOKKEEPING if known else frozenset()
    others = (key for key in wanted if key not in _BY_KEY and key not in passed_over)
    return (*known, *(Measure(key, key) for key in others))
