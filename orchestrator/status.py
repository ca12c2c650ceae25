"""A snapshot made readable: the stable JSON document, and the text that is rendered from it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs import layout
from jobs.errors import HostUnfitError
from jobs.fitness import unfit
from jobs.records import EndRecord, decode_end
from jobs.snapshot import ExperimentState, JobState, SessionState, Snapshot, State, snapshot
from trainers.passing import is_passing

Document = dict[str, Any]
SHOWN_FAILURES = 10
SHOWN_JOBS = 20
_SAMPLE = 50


def as_document(root: Path) -> Document:
    """The state of everything under a root.

    Raises:
        HostUnfitError: the root is there and cannot be read.
    """
    try:
        seen = snapshot(root)
    except OSError as error:
        raise unreadable(root, error) from error
    return {"schema": 1, "experiments": [_experiment(root, state, seen) for state in seen.experiments]}


def unreadable(root: Path, error: OSError) -> HostUnfitError:
    """The one-line error for a root that cannot be read."""
    if is_passing(error):
        return unfit(error)
    where = error.filename or root
    return HostUnfitError(f"{where}: {error.strerror or error}", "give a root that you can read (--root)")


def _experiment(root: Path, state: ExperimentState, seen: Snapshot) -> Document:
    workers = [_worker(session, state.name) for session in seen.sessions.values()]
    return {
        "name": state.name,
        "jobs": state.counts,
        "eta_seconds": _eta(root, state, workers),
        # A worker that runs nothing at all is everybody's.
        "workers": [
            worker for worker in workers if worker["jobs"] or not seen.sessions[worker["session"]].note.get("jobs")
        ],
        "failures": [_failure(root, job) for job in state.jobs if job.state is State.FAILED],
        "blocked": [{"job": job.job, "reason": job.reason} for job in state.jobs if job.state is State.BLOCKED],
    }


def _worker(session: SessionState, experiment: str) -> Document:
    note = session.note
    silent = session.silent_seconds
    return {
        "session": session.sid,
        "host": note.get("host", "?"),
        "pid": note.get("pid"),
        "gpus": note.get("gpus", []),
        "slots": note.get("slots"),
        "jobs": [job for job in note.get("jobs", []) if job.get("experiment") == experiment],
        "silent_seconds": None if math.isinf(silent) else round(silent, 1),
        "is_silent": session.is_silent,
        "is_own_clock": session.is_own_clock,
        "waits_for": note.get("waits_for", []),
    }


def _failure(root: Path, job: JobState) -> Document:
    record = job.end
    body = record.body if record is not None else {}
    folder = body.get("folder")
    log = root / str(folder) / layout.LOG_FILE if folder else None
    return {
        "job": job.job,
        "attempt": job.attempt,
        "kind": record.kind.value if record is not None else "blocked",
        "error": str(body.get("error") or job.reason),
        "log": str(log) if log is not None and log.is_file() else None,
    }


def _eta(root: Path, state: ExperimentState, workers: list[Document]) -> float | None:
    """Seconds until all is done, from a sample of end records or what running jobs expect; None where neither tells."""
    waiting = state.counts["waiting"] + state.counts["silent"]
    running = [job for worker in workers for job in worker["jobs"] if not worker["is_silent"]]
    left = [_left(job) for job in running]
    if not waiting:
        known = [seconds for seconds in left if seconds is not None]
        return round(max(known), 1) if known else (0.0 if not running else None)
    seconds = _mean_seconds(root, state)
    if seconds is None:
        whole = [job["seconds"] + rest for job, rest in zip(running, left, strict=True) if rest is not None]
        seconds = sum(whole) / len(whole) if whole else None
    places = sum(max(1, len(worker["gpus"]) or worker["slots"] or 1) for worker in workers if not worker["is_silent"])
    if seconds is None or not places:
        return None
    work = waiting * seconds + sum(seconds if rest is None else rest for rest in left)
    return round(work / places, 1)


def _left(job: Document) -> float | None:
    progress = job.get("progress") or {}
    eta = progress.get("eta_seconds")
    return float(eta) if eta is not None else None


def _mean_seconds(root: Path, state: ExperimentState) -> float | None:
    done = [job for job in state.jobs if job.state is State.DONE]
    step = max(1, len(done) // _SAMPLE)
    seconds = []
    for job in done[::step]:
        record = job.end or _end(root, state.name, job)
        if record is not None and isinstance(took := record.body.get("seconds"), (int, float)):
            seconds.append(float(took))
    return sum(seconds) / len(seconds) if seconds else None


def _end(root: Path, experiment: str, job: JobState) -> EndRecord | None:
    try:
        return decode_end((root / layout.end(experiment, job.job, job.attempt)).read_bytes())
    except (OSError, json.JSONDecodeError):
        return None


# --- text -----------------------------------------------------------------------------------------------------------


def render(document: Document, root: Path, *, only_failed: bool = False) -> str:
    """The document for a person, at most some two screens of 80 columns."""
    if not document["experiments"]:
        return f"nothing is planned in {root}; start with: orch plan"
    parts = [_render_failures(e, all_of_them=True) if only_failed else _render(e) for e in document["experiments"]]
    text = "\n\n".join(part for part in parts if part)
    return text or "no job has failed"


def _render(experiment: Document) -> str:
    counts = experiment["jobs"]
    lines = [f"{experiment['name']}  {counts['total']} jobs" + _eta_text(experiment)]
    lines.append("  " + "  ".join(f"{name} {counts[name]}" for name in (s.value for s in State) if counts[name]))
    lines += [f"  {_bar(counts)}"]
    shown = 0
    for worker in experiment["workers"]:
        gpus = "GPU " + ",".join(map(str, worker["gpus"])) if worker["gpus"] else f"{worker['slots']} CPU slots"
        silent = f"  silent for {_span(worker['silent_seconds'])}" if worker["is_silent"] else ""
        silent += " (by this host's clock)" if silent and worker["is_own_clock"] else ""
        lines.append(f"  {worker['host']} pid {worker['pid']}  {gpus}{silent}")
        lines += [f"    waits: {problem}" for problem in worker["waits_for"]]
        lines += [f"    {_job_line(job)}" for job in worker["jobs"][: max(0, SHOWN_JOBS - shown)]]
        shown += len(worker["jobs"])
    if experiment["blocked"]:
        first = experiment["blocked"][0]
        lines.append(f"  blocked: {first['job']}: {first['reason']}" + _more(len(experiment["blocked"]) - 1))
    failures = _render_failures(experiment)
    return "\n".join([*lines, failures] if failures else lines)


def _render_failures(experiment: Document, *, all_of_them: bool = False) -> str:
    failures = experiment["failures"]
    shown = failures if all_of_them else failures[:SHOWN_FAILURES]
    lines = []
    for failure in shown:
        lines.append(f"  {failure['kind']} {failure['job']} (attempt {failure['attempt']}): {failure['error']}")
        if failure["log"]:
            lines.append(f"    log: {failure['log']}")
    if len(failures) > len(shown):
        lines.append(f"  ... {len(failures) - len(shown)} more: orch status --failed")
    return "\n".join(lines)


def _eta_text(experiment: Document) -> str:
    eta = experiment["eta_seconds"]
    return f"  ETA {_span(eta)}" if eta else ""


def _bar(counts: dict[str, int], width: int = 60) -> str:
    total = max(1, counts["total"])
    done = counts["done"] * width // total
    bad = min(width - done, -(-(counts["failed"] + counts["cancelled"]) * width // total))
    running = min(width - done - bad, -(-counts["running"] * width // total))
    return f"[{'#' * done}{'>' * running}{'.' * (width - done - bad - running)}{'!' * bad}]"


def _job_line(job: Document) -> str:
    progress = job.get("progress") or {}
    parts = [job["job"], f"attempt {job['attempt']}" if job["attempt"] > 1 else ""]
    if "epoch" in progress:
        parts.append(f"epoch {progress['epoch']:g}/{progress.get('epochs', '?')}")
    if progress.get("eta_seconds") is not None:
        parts.append(f"ETA {_span(progress['eta_seconds'])}")
    return "  ".join(part for part in parts if part)


def _more(count: int) -> str:
    return f" (and {count} more)" if count > 0 else ""


def _span(seconds: float | None) -> str:
    """Seconds as people say them: 42 s, 3 min, 2 h 05 min."""
    if seconds is None:
        return "an unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def watch_status(root: Path, clear: Callable[[], None], echo: Callable[[str], None]) -> None:
    """Show the status again every two seconds, until Ctrl-C."""
    try:
        while True:
            text = render(as_document(root), root)
            clear()
            echo(text)
            time.sleep(2)
    except KeyboardInterrupt:
        return
