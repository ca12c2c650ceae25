"""What a claim costs on the folder, however many jobs are planned, and how often workers want the same job.

    python benchmarks/claims.py calls [--jobs 100 100000]     system calls on the root, a claim
    python benchmarks/claims.py lost [--workers 1 2 4 8] [--jobs 1000]    lost claims, of instant jobs

`calls` counts with strace what one worker does to files under the root between two numbers of jobs, so that starting
and leaving cancel out. `lost` counts the links that found another worker's claim, a claim that was made.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ORCH = [sys.executable, "-m", "orchestrator"]
FEW, MORE = 40, 90
CALL = re.compile(r"^\d+ +(\w+)\(")
CLAIM = re.compile(r'/log/[0-9a-f]{2}/[a-z0-9-]+\.[0-9]{4}"')


def prepare(folder: Path, jobs: int) -> Path:
    """Plan so many instant jobs; the root."""
    (folder / "instant.py").write_text("def same(a):\n    return a\n", encoding="utf-8")
    grid = folder / "claims.yaml"
    grid.write_text(
        f"name: claims\nkind: call\ntarget: instant:same\nparams.a: {list(range(jobs))}\n", encoding="utf-8"
    )
    subprocess.run([*ORCH, "--root", str(folder / "root"), "plan", str(grid)], check=True, stdout=subprocess.DEVNULL)
    return folder / "root"


def start(root: Path, log: Path, traced: str, *words: str) -> subprocess.Popen[bytes]:
    """A worker some of whose calls are logged; the others cost it next to nothing."""
    trace = ["strace", "-f", "-y", "-qq", "--seccomp-bpf", "-e", f"trace={traced}", "-e", "signal=none", "-s", "300"]
    trace += ["-o", str(log)]
    environment = {**os.environ, "PYTHONPATH": f"{root.parent}:{Path.cwd()}"}
    worker = [*ORCH, "--root", str(root), "worker", "--gpus", "none", "--slots", "1", *words]
    return subprocess.Popen([*trace, *worker], env=environment, stdout=subprocess.DEVNULL)


def calls(root: Path, log: Path) -> Counter[str]:
    """System calls on files under the root, by name."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return Counter(match[1] for line in lines if f"{root}/" in line and (match := CALL.match(line)))


def measure_calls(jobs: int) -> None:
    """Print the calls a job, of a worker that does a few jobs of so many."""
    counts = []
    for most in (FEW, MORE):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            root = prepare(folder, jobs)
            start(root, folder / "log", "file,desc", "--max-jobs", str(most)).wait()
            counts.append(calls(root, folder / "log"))
    cost = {name: (counts[1][name] - counts[0][name]) / (MORE - FEW) for name in counts[1]}
    parts = ", ".join(
        f"{name} {value:.2f}" for name, value in sorted(cost.items(), key=lambda item: -item[1]) if value > 0
    )
    print(f"{jobs:7} jobs: {sum(cost.values()):6.2f} calls a job on the root: {parts}")


def measure_lost(jobs: int, workers: int) -> None:
    """Print how many claims were lost, of so many workers that drain instant jobs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        root = prepare(folder, jobs)
        logs = [folder / f"log{number}" for number in range(workers)]
        for worker in [start(root, log, "link,linkat") for log in logs]:
            worker.wait()
        made = lost = 0
        for log in logs:
            with log.open(encoding="utf-8", errors="replace") as lines:
                claims = [line for line in lines if CLAIM.search(line)]
            made += sum(line.rstrip().endswith("= 0") for line in claims)
            lost += sum("EEXIST" in line for line in claims)
        print(f"{workers} workers, {jobs} jobs: {made} claims, {lost} lost, {100 * lost / made:.2f} %")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["calls", "lost"])
    parser.add_argument("--jobs", type=int, nargs="+")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    options = parser.parse_args()
    if options.what == "calls":
        for jobs in options.jobs or [100, 100_000]:
            measure_calls(jobs)
    else:
        for jobs in options.jobs or [1000]:
            for workers in options.workers:
                measure_lost(jobs, workers)


if __name__ == "__main__":
    main()
