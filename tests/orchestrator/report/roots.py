"""A root with a plan and accepted results, written as a worker leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs import layout
from jobs.plan import add_to_plan
from jobs.records import Claimer, End, EndRecord
from jobs.spec import JobSpec

SESSION = "0123456789abcdef"
CLAIMER = Claimer(SESSION, "host", "boot", "ns", 1, 1, 90.0)


def plan_jobs(root: Path, experiment: str, specs: Sequence[JobSpec]) -> None:
    add_to_plan(root, experiment, lambda: iter(specs), dry_run=False)


def call_spec(job: str, **cell: Any) -> JobSpec:
    """A `call` job whose identity is its cell."""
    return JobSpec(id=job, kind="call", content=dict(cell), cell=cell)


def finish(root: Path, experiment: str, job: str, summary: Mapping[str, Any], folder: str | None = None) -> None:
    """Let the first attempt of a job be done with this result."""
    write(root / layout.claim(experiment, job, 1), CLAIMER.encode())
    body = {"sid": SESSION, "summary": summary} | ({"folder": folder} if folder else {})
    write(root / layout.end(experiment, job, 1), EndRecord(End.DONE, body).encode())
    write(root / layout.done_marker(experiment, job, 1), b"")


def fail(root: Path, experiment: str, job: str, error: str) -> None:
    """Let the first attempt of a job end as NaN, which ends the job for good."""
    end(root, experiment, job, EndRecord(End.NAN, {"sid": SESSION, "error": error}))


def end(root: Path, experiment: str, job: str, record: EndRecord) -> None:
    write(root / layout.claim(experiment, job, 1), CLAIMER.encode())
    write(root / layout.end(experiment, job, 1), record.encode())


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
