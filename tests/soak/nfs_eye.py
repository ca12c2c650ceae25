"""`python -m tests.soak.nfs_eye PLANS ROOT`: beside a lab's file server, on the folder that it serves.

It takes plans that the engine wrote on another host into the root, and prints what the root holds whenever that has
changed, a line of JSON after `eye `.
"""

# ruff: noqa: T201 - its prints are read on the console

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from jobs import layout
from jobs.plan import add_to_plan
from jobs.spec import JobSpec, parse_plan_line
from orchestrator.faults.ground import HereGround
from orchestrator.faults.workload import EXPERIMENT

_LOOK_SECONDS: Final = 0.25


def main() -> None:
    """Look until the machine goes off."""
    plans, root = map(Path, sys.argv[1:])
    ground = HereGround(root)
    told: dict[str, Any] = {}
    ended: set[str] = set()
    taken: set[str] = set()
    while True:
        for plan in _new(plans, taken):
            add_to_plan(root, EXPERIMENT, partial(_jobs, plan), dry_run=False)
        seen = _ended(root)
        now: dict[str, Any] = {
            "marked": ground.marked(),
            "owners": [who.encode().decode() for who in ground.owners().values()],
        }
        if now != told or seen != ended:
            print("eye " + json.dumps({"at": round(time.time(), 1), **now, "ended": sorted(seen - ended)}), flush=True)
            told, ended = now, seen
        time.sleep(_LOOK_SECONDS)


def _new(plans: Path, taken: set[str]) -> Iterator[Path]:
    """Plan files that were not taken yet; a temporary name is none."""
    for plan in sorted((plans / EXPERIMENT / layout.PLAN).glob("[0-9]*.jsonl")):
        if plan.name not in taken:
            taken.add(plan.name)
            yield plan


def _jobs(plan: Path) -> Iterator[JobSpec]:
    return map(parse_plan_line, plan.read_text(encoding="utf-8").splitlines())


def _ended(root: Path) -> set[str]:
    return {path.stem for path in (root / layout.SESSIONS).glob("*.end")}


if __name__ == "__main__":
    main()
