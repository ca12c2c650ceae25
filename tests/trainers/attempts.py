"""Specs of short runs, and attempts at them: in this process, or in one of their own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from trainers.attempt import run_attempt
from trainers.catalogue import TRAIN
from trainers.errors import Preempted
from trainers.keeping import Folders
from trainers.stopping import StopRequest

DEADLINE_SECONDS: Final = 120


def document(train: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """A complete spec: two epochs of a small network on the data set `tiny`, unless said otherwise."""
    return {
        "schema": 1,
        "job": "a-job",
        "experiment": "tests",
        "kind": "train",
        "dataset": {"name": "folder", "path": "tiny", "size": 16},
        "imbalance": {"type": "exp", "mu": "1/5", "n_max": 40},
        "val": "none",
        "backbone": {"name": "simple_cnn"},
        "head": {"name": "linear"},
        "loss": {"name": "ce"},
        "rule": {"name": "none"},
        "sampler": {"name": "instance"},
        "mixer": {"name": "none"},
        "recipe": {"name": "single"},
        "data_seed": 0,
        "seed": 0,
        "select": "last",
        "eval_every": 1,
        "ts_every": 1,
        "train": {**TRAIN, "epochs": 2, "batch_size": 32, "schedule": "constant", "lr": 0.05, **(train or {})},
        **sections,
    }


def attempt(
    folder: Path, spec: Mapping[str, Any], earlier: Sequence[Path] = (), stop: StopRequest | None = None
) -> None:
    """Run an attempt in this process."""
    folder.mkdir(exist_ok=True)
    run_attempt(spec, Folders(folder, earlier), stop or StopRequest())


def result(folder: Path) -> dict[str, Any]:
    """What a finished attempt says."""
    loaded: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return loaded


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, without their seconds."""
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def pieces(folder: Path, spec: dict[str, Any], stops: int) -> Path:
    """The last of several attempts, each of all but the last told to stop at its first step."""
    earlier: list[Path] = []
    for number in range(stops + 1):
        stop = StopRequest()
        stop.is_set = number < stops
        try:
            attempt(folder / str(number), spec, earlier[::-1], stop)
        except Preempted:
            earlier.append(folder / str(number))
    return folder / str(stops)


def start(folder: Path, spec: Mapping[str, Any], earlier: Sequence[Path] = (), ranks: int = 1) -> subprocess.Popen[str]:
    """Start an attempt in a process of its own (several ranks: under torch's launcher); its errors go to a pipe."""
    folder.mkdir(exist_ok=True)
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    resume = ["--resume", *map(str, earlier)] if earlier else []
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "trainers.run", str(path), str(folder), *resume],
        env={**os.environ, "ORCH_PROGRESS": str(folder / "progress.json"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Look again and again until something is so.

    Raises:
        AssertionError: it is not so after two minutes.
    """
    end = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)
