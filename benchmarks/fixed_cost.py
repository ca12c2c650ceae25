"""What a training job costs before and after it trains: started by exec, and forked from a warm process.

    python benchmarks/fixed_cost.py [--jobs 6] [--rounds 5]

Seconds of wall clock and of CPU, medians. First what any attempt has to do, in a bare interpreter each; then one-epoch
jobs of a small network on the digits, one after the other in one slot, from the moment they are given to the runner to
the first step and to the end. The first job of a slot is told apart: the warm process does its imports for it.
"""

from __future__ import annotations

import argparse
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.spec import JobSpec
from orchestrator.attempt import Attempt, message_for
from orchestrator.runner_process import RunnerProcess

CONTENT = {
    "dataset": {"name": "digits"},
    "backbone": {"name": "simple_cnn"},
    "train": {"epochs": 1, "batch_size": 50, "lr": 0.05, "schedule": "constant"},
}
PARTS = {
    "python -c pass": "pass",
    "+ import torch": "import torch",
    "+ the trainer": "import trainers.attempt",
    "+ torch's compiler, as SGD does": "import trainers.warm; import torch; torch.use_deterministic_algorithms(True)",
    "+ figures: a warm process": "import trainers.warm; trainers.warm.load()",
    "the digits": "from trainers.data.images import load_dataset; load_dataset({'name': 'digits'})",
}
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Seconds: until the first step, until the end, and of CPU."""

    first_step: float
    end: float
    cpu: float


def of_code(code: str) -> tuple[float, float]:
    """Seconds of wall clock and of CPU that an interpreter takes for it."""
    began, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, cpu


def cpu_seconds(pid: int) -> float:
    """CPU that a process and all that came of it have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * TICK + sum(map(cpu_seconds, children(pid)))


def children(pid: int) -> Iterator[int]:
    """Pids of what a process has started and that has not been waited for."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text(encoding="utf-8").split())


def private_megabytes(pid: int) -> float:
    """Memory of a process that no other shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def cost_of_job(runner: RunnerProcess, folder: Path, number: int, *, is_forked: bool) -> Cost:
    """Run one job in a slot."""
    own = folder / f"{number}"
    own.mkdir()
    attempt = Attempt("fixed-cost", JobSpec(id="t-1", kind="train", content={**CONTENT, "seed": number}), number, own)
    message = message_for(attempt, folder)
    if not is_forked:
        del message["trainer"]
    cpu, began, first_step = cpu_seconds(runner.process.pid), time.perf_counter(), 0.0
    runner.run(attempt, message)
    while not (ended := list(runner.events())):
        select.select(runner.signs, [], [], 1.0 if first_step else 0.002)
        if not first_step and attempt.progress_file is not None and attempt.progress_file.exists():
            first_step = time.perf_counter() - began
    if ended[0]["verdict"] != "done":
        raise SystemExit(f"{ended[0]}\n{attempt.log.read_text(encoding='utf-8')}")
    return Cost(first_step, time.perf_counter() - began, cpu_seconds(runner.process.pid) - cpu)


def show(name: str, costs: list[Cost]) -> None:
    """A line of the table."""
    medians = [statistics.median(getattr(cost, what) for cost in costs) for what in ("first_step", "end", "cpu")]
    print(f"{name:32} first step {medians[0]:6.2f} s   end {medians[1]:6.2f} s   CPU {medians[2]:6.2f} s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for name, code in PARTS.items():
        wall, cpu = zip(*(of_code(code) for _ in range(options.rounds)), strict=True)
        print(f"{name:32} wall {statistics.median(wall):6.2f} s   CPU {statistics.median(cpu):6.2f} s")
    for is_forked in (False, True):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            runner = RunnerProcess(folder, 1)
            costs = [cost_of_job(runner, folder, number, is_forked=is_forked) for number in range(options.jobs)]
            way = "forked" if is_forked else "exec"
            show(f"first job of a slot, {way}", costs[:1])
            show(f"each further job, {way}", costs[1:])
            for pid in children(runner.process.pid):
                print(f"{'warm process at rest':32} {private_megabytes(pid):.0f} MB of its own")
            runner.close()


if __name__ == "__main__":
    main()
