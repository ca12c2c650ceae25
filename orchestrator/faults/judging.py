"""What the registers of a job must be to each other and to the files they name, and the state they amount to."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from jobs import layout
from jobs.claims import MAX_EVICTED, MAX_INTERRUPTED
from orchestrator.faults.evidence import Job
from orchestrator.faults.findings import Breach, Finding


def judge(root: Path, job: Job, sessions: Mapping[str, str]) -> Iterator[Finding]:
    """Everything that is wrong with a job but that it is lost.

    Raises:
        OSError: a result file is there and cannot be read.
    """
    yield from _judge_order(job)
    yield from _judge_final(job)
    yield from _judge_owners(job, sessions)
    for number in job.ends:
        if job.kind(number) == "done":
            yield from _judge_files(root, job, number)


def _judge_order(job: Job) -> Iterator[Finding]:
    top = max(job.claims, default=0)
    for number in range(1, top + 1):
        where = layout.claim(job.experiment, job.id, number)
        if number not in job.claims:
            yield Finding(Breach.GAP, where)
        if number < top and number not in job.ends:
            yield Finding(Breach.UNFENCED, f"{where} has no end, and {top} is claimed")
    for number in job.ends.keys() - job.claims.keys():
        if job.kind(number) != "cancelled":
            yield Finding(Breach.UNCLAIMED, layout.end(job.experiment, job.id, number))


def _judge_final(job: Job) -> Iterator[Finding]:
    done = {number for number in job.ends if job.kind(number) == "done"}
    for number in sorted(done | {number for number in job.ends if job.kind(number) == "cancelled"}):
        where = layout.end(job.experiment, job.id, number)
        later = [claim for claim in job.claims if claim > number and not job.is_void(number, claim)]
        if later:
            yield Finding(Breach.AFTER_DONE, f"{where}, and then attempts {later}")
        if number in done and any(other > number and not job.is_void(number, other) for other in done):
            yield Finding(Breach.TWICE, where)
    for number in done - job.markers:
        yield Finding(Breach.UNMARKED, layout.end(job.experiment, job.id, number))
    for number in job.markers - done:
        yield Finding(Breach.MISMARKED, layout.done_marker(job.experiment, job.id, number))


def _judge_owners(job: Job, sessions: Mapping[str, str]) -> Iterator[Finding]:
    for number, body in job.claims.items():
        where = layout.claim(job.experiment, job.id, number)
        session = sessions.get(str(body.get("sid")), "unknown")
        if number not in job.ends:
            yield Finding(Breach.OPEN, f"{where}: its session is {session}")
        elif job.kind(number) == "evicted" and session not in {"closed", "evicted"}:
            yield Finding(Breach.EARLY, f"{where}: its session is {session}")


def named_files(job: Job) -> Iterator[tuple[str, int]]:
    """The result files that the done ends of a job name, with their bytes."""
    for number in job.ends:
        if job.kind(number) == "done":
            for name, size, _ in job.ends[number].get("files", ()):
                yield name, size


def _judge_files(root: Path, job: Job, number: int) -> Iterator[Finding]:
    body = job.ends[number]
    if body.get("folder") is None:
        return
    folder = root / str(body["folder"])
    named = {layout.LOG_FILE}
    for name, size, digest in body.get("files", ()):
        named.add(name)
        if problem := _difference(folder / name, size, digest):
            yield Finding(Breach.DIFFERS, f"{body['folder']}/{name}: {problem}")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in named:
            yield Finding(Breach.UNLISTED, path.relative_to(root).as_posix())


def _difference(path: Path, size: int, digest: str) -> str:
    """How a file differs from its record; empty: not at all."""
    try:
        with path.open("rb") as file:
            seen = hashlib.file_digest(file, "sha256").hexdigest()
            length = file.tell()
    except FileNotFoundError:
        return "it is not there"
    if length != size:
        return f"{length} bytes, not {size}"
    return "" if seen == digest else f"sha256 {seen[:12]}..., not {digest[:12]}..."


def has_stale_link(root: Path, job: Job) -> bool:
    """Whether `result` does not show the newest accepted attempt; it may be late, and is for people only."""
    done = [number for number in job.ends if job.kind(number) == "done"]
    if not done:
        return False
    folder = job.ends[max(done)].get("folder")
    link = root / layout.result_link(job.experiment, job.id)
    shown = link.readlink().name if link.is_symlink() else None
    return shown != (str(folder).rpartition("/")[2] if folder else None)


def state(job: Job, jobs: Mapping[str, Job]) -> str:
    """done, cancelled, nan; spent (stopped at a bound); blocked (by a need that is none of these); or lost."""
    top, newest_void = job.top, max(job.voids, default=0)
    if top > newest_void and job.kind(top) in {"done", "cancelled", "nan"}:
        return job.kind(top)
    if top in job.claims and top not in job.ends:
        return "lost"
    kinds = Counter(job.kind(number) for number in job.ends if number > newest_void)
    if (
        kinds["failed"] + kinds["oom"] >= job.max_attempts
        or kinds["evicted"] >= MAX_EVICTED
        or kinds["preempted"] + kinds["released"] >= MAX_INTERRUPTED
    ):
        return "spent"
    if any(need not in jobs or state(jobs[need], jobs) not in {"done", "lost"} for need in job.needs):
        return "blocked"
    return "lost"
