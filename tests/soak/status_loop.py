"""Somebody who asks `orch status --json` all the time while workers are under attack, and checks every answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jobs import layout
from orchestrator.faults.plugins import Witness
from orchestrator.faults.workload import EXPERIMENT

STATES: Final = ("done", "running", "silent", "waiting", "blocked", "failed", "cancelled")
_PAUSE_SECONDS: Final = 0.5
_LIMIT_SECONDS: Final = 240.0  # a folder under attack may take a second for each of its shards
_UNFIT: Final = 3


class StatusLoop(Witness):
    """Every job in one state, all the time, from every side that the folder is seen from.

    A done job stays done unless somebody asks for it again, so from one look to the next the number of done jobs falls
    by no more than there were new voids; and what was planned stays planned. A folder that is out of order may be told
    of in one line (exit code 3), but not where it is looked at past the faults.
    """

    name = "status"

    def __init__(self) -> None:
        super().__init__()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._roots: list[Path] = []
        self._done = self._total = self._voids = 0

    def begin(self, roots: list[Path]) -> None:
        self._roots = roots
        self._thread = threading.Thread(target=self._watch, name="status loop", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop, and look a last time: nothing runs any more, and nothing is left."""
        if self._thread is None:
            return
        self._over.set()
        self._thread.join()
        self._thread = None
        found = self._look(self._roots[0])
        if found is None:
            return
        planned = _planned(self._roots[0])
        left = {state: found[state] for state in STATES if found[state] and state not in {"done", "cancelled"}}
        if found["total"] != planned or left:
            self._break(f"at the end {planned} jobs are planned, and it says {dict(found)}")

    def _watch(self) -> None:
        number = 0
        while not self._over.wait(_PAUSE_SECONDS):
            self._look(self._roots[number % len(self._roots)])
            number += 1

    def _look(self, root: Path) -> Mapping[str, int] | None:
        """One look: the counts, where they could be had; they are compared with those of the look before."""
        before = _voids(self._roots[0])
        run = _status(root)
        if run is None:
            self._break(f"no answer within {_LIMIT_SECONDS:g} s")
            return None
        if run.returncode == _UNFIT and root != self._roots[0]:
            self.counts["refused, the folder being out of order"] += 1
            if run.stdout or len(run.stderr.splitlines()) != 1:
                self._break(f"a refusal of more than one line: {run.stdout}{run.stderr}")
            return None
        self.counts["answered"] += 1
        if run.returncode != 0:
            self._break(f"exit code {run.returncode}: {run.stderr}")
            return None
        counts = _counts(json.loads(run.stdout))
        self._compare(counts)
        self._total, self._done, self._voids = counts.get("total", 0), counts.get("done", 0), before
        return counts

    def _compare(self, counts: Mapping[str, int]) -> None:
        requeued = _voids(self._roots[0]) - self._voids  # since before the last look: no fewer than this one may see
        if set(counts) != {"total", *STATES}:
            self._break(f"states {sorted(counts)}")
        elif sum(counts[state] for state in STATES) != counts["total"]:
            self._break(f"they do not add up: {dict(counts)}")
        elif counts["total"] < self._total:
            self._break(f"{self._total} jobs were planned, now {dict(counts)}")
        elif counts["done"] < self._done - requeued:
            self._break(f"{self._done} were done, {requeued} asked for again, now {dict(counts)}")

    def _break(self, what: str) -> None:
        self.broken.append(f"look {sum(self.counts.values())}: {what}")


def _status(root: Path) -> subprocess.CompletedProcess[str] | None:
    argv = [sys.executable, "-m", "orchestrator", "--root", str(root), "status", "--json"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORCH_")}
    try:
        return subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None


def _counts(document: dict[str, Any]) -> dict[str, int]:
    found = [experiment for experiment in document["experiments"] if experiment["name"] == EXPERIMENT]
    counts: dict[str, int] = found[0]["jobs"] if found else {}
    return counts


def _voids(root: Path) -> int:
    return sum(path.suffix == ".void" for path in (root / EXPERIMENT / layout.LOG).glob("*/*"))


def _planned(root: Path) -> int:
    files = (root / EXPERIMENT / layout.PLAN).glob("*.jsonl")
    return len({line.partition("\t")[0] for file in files for line in file.read_text().splitlines()})
