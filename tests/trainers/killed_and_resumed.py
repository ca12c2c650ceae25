"""A run killed again and again, and one that was left alone: `python -m tests.trainers.killed_and_resumed [SEED]`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tests.trainers.attempts import document, result, wait_until
from tests.trainers.data.trees import noisy_tree

KILLS = 5
LOSSES = ("ce", "gathering")


@dataclass(frozen=True)
class Story:
    """What became of a run.

    Attributes:
        moments: share of the run that was done when each signal came, with its name.
        unbroken, resumed: SHA-256 of the final weights.
        rows: lines of metrics.csv, without the seconds, of both.
    """

    moments: tuple[str, ...]
    unbroken: str
    resumed: str
    rows: tuple[list[str], list[str]]


def tell(folder: Path, loss: str, seed: int) -> Story:
    """Train twice: undisturbed, and with five SIGKILLs and a SIGTERM at random moments."""
    spec = document({"epochs": 40, "batch_size": 16, "lr": 0.02}, loss={"name": loss}, val={"per_class": 5})
    whole = folder / f"{loss}-whole"
    _start(whole, spec).wait(240)
    draw = random.Random(seed)
    numbers = [signal.SIGKILL] * KILLS + [signal.SIGTERM]
    draw.shuffle(numbers)
    earlier: list[Path] = []
    moments = []
    for at, number in zip(sorted(draw.uniform(0.05, 0.9) for _ in numbers), numbers, strict=True):
        attempt = folder / f"{loss}-{len(earlier)}"
        process = _start(attempt, spec, earlier[::-1])
        reached = _wait_for(attempt, at, process)
        process.send_signal(number)
        process.wait(60)
        moments.append(f"{number.name} at {reached:.2f}")
        earlier.append(attempt)
    last = folder / f"{loss}-last"
    assert _start(last, spec, earlier[::-1]).wait(240) == 0
    weights = [result(run)["weights_sha256"] for run in (whole, last)]
    return Story(tuple(moments), weights[0], weights[1], (_rows(whole), _rows(last)))


def _start(folder: Path, spec: dict[str, Any], earlier: Sequence[Path] = ()) -> subprocess.Popen[bytes]:
    folder.mkdir()
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    resume = ["--resume", *map(str, earlier)] if earlier else []
    return subprocess.Popen(
        [sys.executable, "-m", "tests.trainers.gathering", str(path), str(folder), *resume],
        # Saved at every step: so a run goes on from the middle of an epoch too.
        env={**os.environ, "ORCH_PROGRESS": str(folder / "progress.json"), "ORCH_SAVE_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait_for(folder: Path, share: float, process: subprocess.Popen[bytes]) -> float:
    """Until so much is done; says how much is."""
    path = folder / "progress.json"
    reached = 0.0

    def is_so() -> bool:
        nonlocal reached
        reached = json.loads(path.read_text())["fraction"] if path.exists() else 0.0
        return reached >= share or process.poll() is not None

    wait_until(is_so, f"{share:.2f} of {folder.name}")
    assert process.poll() is None, f"{folder.name} ended by itself"
    return reached


def _rows(folder: Path) -> list[str]:
    lines = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    seconds = lines[0].index("seconds")
    return [",".join(line[:seconds] + line[seconds + 1 :]) for line in lines]


def main() -> None:
    """Print both hashes, for a plain and for a gathering loss."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        noisy_tree(folder / "data" / "tiny")
        os.environ |= {"ORCH_DATA": str(folder / "data"), "ORCH_CACHE": str(folder / "cache")}
        for loss in LOSSES:
            story = tell(folder, loss, seed)
            click.echo(f"{loss}: {', '.join(story.moments)}")
            click.echo(f"  unbroken {story.unbroken}\n  resumed  {story.resumed}")
            click.echo(f"  rows of metrics.csv equal but for the seconds: {story.rows[0] == story.rows[1]}")


if __name__ == "__main__":
    main()
