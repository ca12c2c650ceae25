"""Sentences that stand below a table, without which its numbers may be misread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from orchestrator.report.measures import Measure, convention_of
from orchestrator.report.records import Run

_FLOORED: Final = frozenset({"test_gm", "test_hm"})
_FLOOR: Final = 1e-3  # of results that do not say theirs
_CONVENTIONS: Final = {
    "shots": "shots (many above 100 training images, medium 20 to 100, few below 20)",
    "shots_le20": "shots_le20 (as shots, but exactly 20 is few)",
    "mislas": "mislas (by class index: of 100 classes the first 36, then 35; of 10 the first 3, then 4)",
    "thirds": "thirds (a third of the classes each, by training images)",
}


def remarks_of(measures: Sequence[Measure], runs: Iterable[Run]) -> tuple[str, ...]:
    """What must be known of these columns of these runs."""
    remarks = []
    if any(measure.key in _FLOORED for measure in measures):
        floors = sorted({run.number("recall_floor") or _FLOOR for run in runs}) or [_FLOOR]
        said = " or ".join(f"{floor:g}" for floor in floors)
        remarks.append(f"GM and HM count the recall of a class as {said} at least; the lowest recall has no floor.")
    conventions = dict.fromkeys(convention_of(measure) for measure in measures if measure.family == "groups")
    if conventions:
        told = "; ".join(_CONVENTIONS.get(name, name) for name in conventions)
        remarks.append(f"The groups are those of {told}. A group without a class has no number.")
    return tuple(remarks)
