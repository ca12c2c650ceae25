"""A root with a finished experiment: real runs, by the real commands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jobs.spec import JobSpec
from tests.orchestrator.scene import WORKER, Scene, grid

EXPERIMENT: Final = "small"
SMALL: Final[Mapping[str, Any]] = {"epochs": 2, "batch_size": 64, "lr": 0.05, "schedule": "constant", "augment": "none"}
GRID: Final = grid(
    loss=["ce", {"name": "focal", "gamma": 3}, "adafocal"],
    seed=0,
    dataset="digits",
    imbalance={"type": "exp", "ratio": 20},
    val={"per_class": 4},
    backbone="simple_cnn",
    train=SMALL,
    include=[
        {"loss": "ce", "seed": 5},
        {"loss": "bsce", "train": {**SMALL, "lr": 1e30}},  # is no number soon, and fails for good
    ],
)


def finish_experiment(folder: Path) -> Scene:
    """Plan `GRID`, and let a worker run it: four jobs get done, one fails for good."""
    scene = Scene(folder, lease_seconds=60.0)
    scene.plan(EXPERIMENT, GRID)
    scene.orch(*WORKER, "--slots", "1", expect=1)
    return scene


def jobs_of(scene: Scene) -> dict[tuple[str, int], JobSpec]:
    """The jobs by loss and seed."""
    return {
        (str(job.content.get("loss", {"name": "ce"})["name"]), int(job.content.get("seed", 0))): job
        for job in scene.jobs(EXPERIMENT)
    }


def result_folder(scene: Scene, job: str) -> Path:
    return scene.root / EXPERIMENT / "jobs" / job / "result"


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def record(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
