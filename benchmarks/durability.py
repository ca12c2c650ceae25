"""What it costs that every end is on disk before it counts, and what two ways to pay less would bring.

    python benchmarks/durability.py [--jobs 1024] [--workers 1,4] [--group 8] [--rounds 3] [--root FOLDER]

The operations that workers run (claim, make the record, publish), without the worker around them:

    each end by itself        what orch does: the record synced, linked, its shard folder synced, marked done
    group commit, plan order  the ends of G jobs step by step together; a shard that several touch is synced once
    group commit, by shard    the same with jobs taken shard by shard, so that a group shares one sync
    result in a folder        each end by itself, of jobs that leave a file instead of returning their result inline
    no sync at all            a bound that nobody can reach: fsync does nothing

Then `orch worker` itself, with calls that return their result and calls that leave it in a folder. In every variant
an end is marked done and counted only after its shard folder was synced. Medians of the rounds, which go in turns;
syncs are counted (those of `orch worker` by strace, where there is one). FOLDER lies on the file system that is meant.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from jobs import layout
from jobs.claims import NOTHING
from jobs.process import claimer
from jobs.queue import Claim, Claimed, Job, Me, Publish, Published
from jobs.records import End, EndRecord
from jobs.sessions import Tickets, tickets
from jobs.store import Finished, FolderStore, Make, Operation, Reply, Sync, carry_out
from orchestrator.leavings import collect

ORCH: Final = str(Path(sys.executable).with_name("orch"))
EXPERIMENT: Final = "bench"


# --- the operations alone -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to publish.

    Attributes:
        group: how many ends are published together.
        by_shard: jobs are taken shard by shard.
        leaves_folder: each job leaves a file in a folder of its own.
        syncs: False: fsync does nothing.
    """

    name: str
    group: int = 1
    by_shard: bool = False
    leaves_folder: bool = False
    syncs: bool = True


def carry_out_together(operations: Sequence[Operation[Any]], store: FolderStore) -> list[Any]:
    """Drive operations side by side, a step of each a round; equal syncs of one round are carried out once.

    Who asks for a sync has put in an earlier round, so no end counts before its folder was synced.
    """
    live = dict(enumerate(operations))
    replies: dict[int, Reply] = dict.fromkeys(live)
    results: dict[int, Any] = {}
    while live:
        synced: dict[Sync, Reply] = {}
        for number, operation in list(live.items()):
            outcome = operation.step(replies[number])
            if isinstance(outcome, Finished):
                results[number] = outcome.result
                del live[number]
                continue
            live[number], request = outcome
            if not isinstance(request, Sync):
                replies[number] = store.answer(request)
                continue
            if request not in synced:
                synced[request] = store.answer(request)
            replies[number] = synced[request]
    return [results[number] for number in sorted(results)]


@dataclass(frozen=True, slots=True)
class Hand:
    """A worker that only claims and publishes: its store, its session's names and tickets."""

    store: FolderStore
    sid: str
    tickets: Tickets

    def work(self, variant: Variant, jobs: list[str]) -> None:
        """Claim and publish all of `jobs`, so many at a time."""
        ordered = sorted(jobs, key=layout.shard) if variant.by_shard else jobs
        for start in range(0, len(ordered), variant.group):
            some = ordered[start : start + variant.group]
            for job in some:
                self._claim(job)
            ends = [self._end(job, leaves_folder=variant.leaves_folder) for job in some]
            if carry_out_together(ends, self.store) != [Published.ACCEPTED] * len(some):
                raise SystemExit("an end was not accepted: is the folder in use?")

    def _claim(self, job: str) -> None:
        me = Me(self.sid, self.tickets.claim, self.tickets.released, self.tickets.evicted)
        outcome = carry_out(Claim(me, Job(EXPERIMENT, job), NOTHING), self.store)
        if not isinstance(outcome, Claimed):
            raise SystemExit(f"{job} could not be claimed: {outcome}")

    def _end(self, job: str, *, leaves_folder: bool) -> Publish:
        folder = layout.attempt_folder(EXPERIMENT, job, 1, self.sid)
        body = {"job": job, "attempt": 1, "sid": self.sid, "nonce": os.urandom(8).hex(), "ended": time.time()}
        if leaves_folder:
            path = self.store.root / folder
            path.mkdir(parents=True)
            (path / layout.RESULT_FILE).write_text('{"value": 1}\n', encoding="utf-8")
            body |= {"folder": folder, **collect(path)}
        else:
            body |= {"folder": None, "summary": {"value": 1}}
        record = layout.ticket(self.sid, os.urandom(8).hex())
        self.store.answer(Make(record, EndRecord(End.DONE, body).encode()))
        name = folder.rpartition("/")[2] if leaves_folder else None
        return Publish(EXPERIMENT, job, 1, record, folder=name, is_done=True)


def _hand(root: Path, number: int) -> Hand:
    store = FolderStore(root)
    paths, makes = tickets(claimer(f"{number:016x}", 90.0))
    for make in makes:
        store.answer(make)
    return Hand(store, f"{number:016x}", paths)


def _serve(root: Path, number: int, variant: Variant, jobs: list[str], pipe: Any) -> None:
    """One worker's process: get ready, wait for the word, work, tell when it began and ended and what it synced."""
    hand = _hand(root, number)
    really, count = os.fsync, itertools.count()

    def sync(fd: Any) -> None:
        next(count)
        if variant.syncs:
            really(fd)

    os.fsync = sync
    pipe.send("ready")
    pipe.recv()
    start = time.monotonic()
    hand.work(variant, jobs)
    pipe.send((start, time.monotonic(), next(count)))


def operations_alone(variant: Variant, jobs: int, workers: int, scratch: Path) -> tuple[float, float]:
    """Jobs a second and syncs a job of a variant."""
    root = _new_folder(scratch)
    for kind in (layout.LOG, layout.DONE):  # made beforehand: shards cost an experiment once, not every job
        for number in range(256):
            (root / EXPERIMENT / kind / f"{number:02x}").mkdir(parents=True)
    (root / layout.TMP).mkdir(parents=True)
    os.sync()
    ids = [f"job-{number}-{number * 2654435761 % 2**32:08x}" for number in range(jobs)]
    told = _run_hands(root, variant, [ids[number::workers] for number in range(workers)])
    seconds = max(end for _, end, _ in told) - min(start for start, _, _ in told)
    return jobs / seconds, sum(count for *_, count in told) / jobs


def _new_folder(scratch: Path) -> Path:
    """It stays to the end: some file systems make files slowly for a while after many were deleted."""
    return Path(tempfile.mkdtemp(dir=scratch))


def _run_hands(root: Path, variant: Variant, shares: list[list[str]]) -> list[tuple[float, float, int]]:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for number, share in enumerate(shares):
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(root, number + 1, variant, share, theirs))
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    for word in ("ready", "go"):
        for pipe in pipes:
            pipe.recv() if word == "ready" else pipe.send(word)
    told = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return told


# --- orch worker ----------------------------------------------------------------------------------------------------

MODULE: Final = """
import os, pathlib

def inline(i):
    return {"value": i}

def folder(i):
    path = pathlib.Path(os.environ["ORCH_FOLDER"])
    path.mkdir(parents=True)
    (path / "result.json").write_text('{"value": 1}')
"""


def orch_worker(function: str, jobs: int, workers: int, scratch: Path) -> tuple[float, float]:
    """Jobs a second of real workers, from their start to their end, and syncs a job (nan without strace)."""
    folder = _new_folder(scratch)
    speed = _timed(_planned(folder / "timed", function, jobs), workers) * jobs
    if shutil.which("strace") is None:
        return speed, float("nan")
    home, table = _planned(folder / "counted", function, jobs), folder / "strace.txt"
    strace = ["strace", "-f", "-qq", "-c", "-e", "trace=fsync", "-o", str(table)]
    subprocess.run([*strace, *_worker(home)], check=True, env=_environment(home), stdout=subprocess.DEVNULL)
    return speed, _calls(table) / jobs


def _planned(home: Path, function: str, jobs: int) -> Path:
    home.mkdir()
    (home / "bench_jobs.py").write_text(MODULE, encoding="utf-8")
    text = f"name: {EXPERIMENT}\nkind: call\ntarget: bench_jobs:{function}\nparams.i: {list(range(jobs))}\n"
    (home / "grid.yaml").write_text(text, encoding="utf-8")
    plan = [ORCH, "--root", str(home / "root"), "plan", str(home / "grid.yaml")]
    subprocess.run(plan, check=True, stdout=subprocess.DEVNULL)
    return home


def _worker(home: Path) -> list[str]:
    return [ORCH, "--root", str(home / "root"), "worker", "--gpus", "none", "--slots", "1"]


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(home), *filter(None, [os.environ.get("PYTHONPATH")])])}


def _timed(home: Path, workers: int) -> float:
    """One over the seconds from the start of the workers to the end of the last."""
    start = time.monotonic()
    running = [
        subprocess.Popen(_worker(home), env=_environment(home), stdout=subprocess.DEVNULL) for _ in range(workers)
    ]
    if any([process.wait() for process in running]):  # noqa: C419  all of them, whatever the first says
        raise SystemExit("a worker failed: run it by hand to see why")
    return 1 / (time.monotonic() - start)


def _calls(table: Path) -> int:
    lines = [line.split() for line in table.read_text(encoding="utf-8").splitlines()]
    return sum(int(words[3]) for words in lines if words and words[-1] == "fsync")


def measures(
    options: argparse.Namespace, workers: int, scratch: Path
) -> Iterator[tuple[str, Callable[[], tuple[float, float]]]]:
    """Every row's name and how it is measured."""
    variants = [  # the first is what orch does
        Variant("each end by itself"),
        Variant(f"group commit of {options.group}, plan order", options.group),
        Variant(f"group commit of {options.group}, by shard", options.group, by_shard=True),
        Variant("each end by itself, result in a folder", leaves_folder=True),
        Variant("no sync at all", syncs=False),
    ]
    for variant in variants:
        yield variant.name, partial(operations_alone, variant, options.jobs, workers, scratch)
    for function, name in (("inline", "orch worker, result inline"), ("folder", "orch worker, result in a folder")):
        yield name, partial(orch_worker, function, options.jobs, workers, scratch)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1024)
    parser.add_argument("--workers", default="1,4")
    parser.add_argument("--group", type=int, default=8, help="ends that are published together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--root", type=Path, default=Path(), help="a folder of the file system to measure")
    options = parser.parse_args()
    print("| variant | workers | jobs/s | against the first | syncs a job |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="durability-", dir=options.root) as scratch:
        for workers in map(int, options.workers.split(",")):
            rows = list(measures(options, workers, Path(scratch).absolute()))
            rounds = [[measure() for _, measure in rows] for _ in range(options.rounds)]
            for place, (name, _) in enumerate(rows):
                speed, syncs = (statistics.median(done[place][column] for done in rounds) for column in (0, 1))
                ratio = statistics.median(done[place][0] / done[0][0] for done in rounds)
                print(f"| {name} | {workers} | {speed:.0f} | {ratio:.2f} | {syncs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
