"""How long the commands take that people type all day: `orch --help`, and `orch status` of 1,000 jobs.

    python benchmarks/startup.py [--jobs 1000] [--rounds 15]

Prints milliseconds, best and median of the rounds; a bare interpreter beside them says what the machine is worth.
The jobs are planned by `orch plan`, and half of them are worked off, so that status has something to tell.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ORCH = str(Path(sys.executable).with_name("orch"))


def milliseconds(argv: list[str], rounds: int) -> tuple[float, float]:
    """Best and median of so many runs of a command."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - start) * 1000)
    return min(times), statistics.median(times)


def prepare(folder: Path, jobs: int) -> str:
    """Plan `jobs` jobs and work half of them off; the root."""
    module = folder / "half.py"
    module.write_text("def same(a):\n    return a\n", encoding="utf-8")
    grid = folder / "startup.yaml"
    values = list(range(jobs))
    grid.write_text(f"name: startup\nkind: call\ntarget: half:same\nparams.a: {values}\n", encoding="utf-8")
    root = str(folder / "root")
    subprocess.run([ORCH, "--root", root, "plan", str(grid)], check=True)
    worker = [ORCH, "--root", root, "worker", "--gpus", "none", "--slots", "2", "--max-jobs", str(jobs // 2)]
    subprocess.run(worker, check=True, env={**os.environ, "PYTHONPATH": str(folder)})
    return root


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = prepare(Path(scratch), options.jobs)
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "orch --help": [ORCH, "--help"],
            f"orch status, {options.jobs} jobs": [ORCH, "--root", root, "status"],
            f"orch status --json, {options.jobs} jobs": [ORCH, "--root", root, "status", "--json"],
        }
        for name, argv in commands.items():
            best, median = milliseconds(argv, options.rounds)
            print(f"{name:32} best {best:6.0f} ms   median {median:6.0f} ms")


if __name__ == "__main__":
    main()
