"""What `orch status` of a large plan costs: wall time, processor time and peak memory of the real command.

    python benchmarks/status_scale.py [--jobs 100000] [--failed 10000] [--rounds 5] [--root FOLDER]

Four times the same plan: nothing tried; half of it done, with jobs that run, have failed, are cancelled and held; as
many failed for good as `--failed` says; all done. The registers are links to a few records, named by the code's own
layout, so that a root of 100,000 jobs stands in seconds. Prints a table; a bare interpreter beside it says what the
machine is worth.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs import layout
from jobs.control import Command, Verb, add_command
from jobs.identity import job_id
from jobs.plan import add_to_plan
from jobs.process import claimer
from jobs.records import Claimer, End, EndRecord
from jobs.sessions import encode_note
from jobs.spec import JobSpec
from jobs.store import FolderStore

ORCH = str(Path(sys.executable).with_name("orch"))
EXPERIMENT = "scale"
SESSIONS = 8
LINKS = 900  # of one file: some file systems bound them at 1,023


def specs(count: int) -> Iterator[JobSpec]:
    """Train jobs with lines as long as those of a real grid."""
    for number in range(count):
        content = {
            "backbone": {"name": "simple_cnn"},
            "imbalance": {"mu": "1/20", "type": "exp"},
            "loss": {"gamma": number % 100 / 10, "name": "focal"},
            "seed": number // 100,
            "train": {"batch_size": 32, "epochs": 15, "schedule": "one_cycle"},
            "val": {"per_class": 20},
        }
        cell = {"dataset": "digits", "imbalance": "exp-20", "backbone": "simple_cnn", "seed": number // 100}
        yield JobSpec(job_id("train", content), "train", content, {**cell, "loss.gamma": number % 100 / 10})


class Builder:
    """Fills a root with registers as workers leave them.

    Args:
        root: a new folder.
        jobs: how many to plan.
    """

    def __init__(self, root: Path, jobs: int) -> None:
        self.root = root
        add_to_plan(root, EXPERIMENT, lambda: specs(jobs), dry_run=False)
        self.jobs = [spec.id for spec in specs(jobs)]
        for part in (layout.LOG, layout.DONE):
            for shard in range(256):
                (root / EXPERIMENT / part / f"{shard:02x}").mkdir(parents=True, exist_ok=True)
        for folder in (layout.SESSIONS, layout.TMP):
            (root / folder).mkdir(parents=True, exist_ok=True)
        self.owners = [self._session(number) for number in range(SESSIONS)]
        self._sources: dict[bytes, tuple[Path, int]] = {}

    def _session(self, number: int) -> Claimer:
        who = claimer(f"{number:016x}", 90.0)
        note = {"session": who.sid, "host": f"host{number}", "pid": 100 + number, "gpus": [], "slots": 8, "jobs": []}
        (self.root / layout.lease(who.sid)).touch()
        (self.root / layout.session_note(who.sid)).write_bytes(encode_note({**note, "lease_seconds": 90.0}))
        return who

    def _link(self, data: bytes, *paths: str) -> None:
        source, links = self._sources.get(data, (Path(), LINKS))
        if links + len(paths) > LINKS:
            source, links = self.root / layout.command_temp(os.urandom(6).hex()), 0
            source.write_bytes(data)
        for path in paths:
            os.link(source, self.root / path)
        self._sources[data] = (source, links + len(paths))

    def claim(self, job: str, attempt: int = 1) -> None:
        self._link(self.owners[int(layout.shard(job), 16) % SESSIONS].encode(), layout.claim(EXPERIMENT, job, attempt))

    def end(self, job: str, kind: End, attempt: int = 1) -> None:
        self.claim(job, attempt)
        body = {"sid": self.owners[0].sid, "nonce": "0", "folder": None, "seconds": 60.0}
        body |= {} if kind is End.DONE else {"error": "RuntimeError: CUDA error: an illegal memory access"}
        marker = [layout.done_marker(EXPERIMENT, job, attempt)] if kind is End.DONE else []
        self._link(EndRecord(kind, body).encode(), layout.end(EXPERIMENT, job, attempt), *marker)

    def fail(self, job: str, times: int = 3) -> None:
        for attempt in range(1, times + 1):
            self.end(job, End.FAILED, attempt)

    def hold(self, jobs: list[str]) -> None:
        add_command(FolderStore(self.root), Command(Verb.HOLD, EXPERIMENT, frozenset(jobs)))


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a few runs of a command: seconds, best and median, the least processor time, and the peak of its memory."""

    best: float
    median: float
    processor: float
    mebibytes: float

    def __str__(self) -> str:
        return f"{self.best:6.2f} s {self.median:6.2f} s {self.processor:6.2f} s {self.mebibytes:6.0f} MiB"


# Waits for one command and tells what its memory came to: a fresh process, so that no other child counts.
_MEASURE = """\
import json, resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def cost(argv: list[str], rounds: int) -> Cost:
    """What a command costs."""
    runs = []
    for _ in range(rounds):
        told = subprocess.run([sys.executable, "-c", _MEASURE, *argv], check=True, stdout=subprocess.PIPE)
        runs.append(json.loads(told.stdout))
    seconds, processor, mebibytes = zip(*runs, strict=True)
    return Cost(min(seconds), statistics.median(seconds), min(processor), max(mebibytes))


def stages(root: Path, jobs: int, failed: int) -> Iterator[tuple[str, Path]]:
    """Roots of growing age, one after the other: what to call each, and where it is."""
    builder = Builder(root / "a", jobs)
    plan = builder.jobs
    yield "nothing tried", builder.root
    part = jobs // 100
    for job in plan[: 50 * part]:
        builder.end(job, End.DONE)
    for job in plan[50 * part : 51 * part]:
        builder.end(job, End.CANCELLED)
    for job in plan[51 * part : 52 * part]:
        builder.fail(job)
    for job in plan[52 * part : 54 * part]:
        builder.fail(job, times=1)
    for job in plan[54 * part : 54 * part + SESSIONS * 8]:
        builder.claim(job)
    builder.hold(plan[60 * part : 65 * part])
    yield "half done", builder.root
    for job in plan[65 * part : 65 * part + failed - part]:
        builder.fail(job)
    yield f"half done, {failed:,} failed", builder.root
    builder = Builder(root / "b", jobs)
    for job in plan:
        builder.end(job, End.DONE)
    yield "all done", builder.root


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--failed", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--root", type=Path, help="Build there, and leave it.  [default: a temporary folder]")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.root or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        print(f"{options.jobs:,} jobs; best and median of {options.rounds} runs, processor time, peak memory")
        print(f"{'python -c pass':28} {'':8} {cost([sys.executable, '-c', 'pass'], options.rounds)}")
        for name, root in stages(folder, options.jobs, options.failed):
            for words in ((), ("--json",)):
                argv = [ORCH, "--root", str(root), "status", *words]
                print(f"{name:28} {' '.join(words):8} {cost(argv, options.rounds)}", flush=True)


if __name__ == "__main__":
    main()
