"""What a worker leaves to others, or to a person, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.lanes import HELD, LIVE, Shape
from orchestrator.ledger import Ledger


def could_not_run(ledgers: Iterable[Ledger], ruled_out: Mapping[Shape, str]) -> list[dict[str, Any]]:
    """How many jobs of which experiment ask for what this worker has not got, and what that is."""
    counts: Counter[tuple[str, str]] = Counter()
    for ledger in ledgers:
        for lane in ledger.lanes.values():
            if lane.shape in ruled_out:
                counts[ledger.view.name, ruled_out[lane.shape]] += lane.count(*LIVE)
    return [{"experiment": name, "reason": reason, "jobs": n} for (name, reason), n in sorted(counts.items()) if n]


def lines(ledgers: Iterable[Ledger], ruled_out: Mapping[Shape, str]) -> list[str]:
    """What could not run here, and what is held, a line each."""
    ledgers = list(ledgers)
    said = [
        f"{_jobs(left['jobs'])} of {left['experiment']} could not run here: {left['reason']}"
        for left in could_not_run(ledgers, ruled_out)
    ]
    for ledger in ledgers:
        if number := sum(lane.count(*HELD) for lane in ledger.lanes.values()):
            name, verb = ledger.view.name, "is" if number == 1 else "are"
            said.append(f"{_jobs(number)} of {name} {verb} held: orch release {name}")
    return said


def _jobs(number: int) -> str:
    return f"{number} job" + "s" * (number > 1)
