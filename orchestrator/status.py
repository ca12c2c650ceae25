"""How far things are: a snapshot as the stable JSON document, which the text for people is rendered from."""

from __future__ import annotations

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from jobs import layout
from jobs.errors import HostUnfitError
from jobs.fitness import unfit
from jobs.records import EndRecord, decode_end
from jobs.snapshot import UNTRIED, ExperimentState, JobState, SessionState, Snapshot, State, snapshot
from orchestrator.status_text import SHOWN_FAILURES, render
from trainers.passing import is_passing

Document = dict[str, Any]
SCHEMA: Final = 1
_SAMPLE: Final = 50


def as_document(root: Path, *, most_failures: int | None = None) -> Document:
    """The state of everything under a root.

    Args:
        root: the shared folder.
        most_failures: how many of an experiment's failures to tell in full; None: all.

    Raises:
        HostUnfitError: the root is there and cannot be read.
    """
    try:
        seen = snapshot(root)
        experiments = [_experiment(root, state, seen, most_failures) for state in seen.experiments]
    except OSError as error:
        raise unreadable(root, error) from error
    return {"schema": SCHEMA, "experiments": experiments, "problem": seen.problem, "strangers": seen.strangers}


def text(root: Path, *, only_failed: bool = False) -> str:
    """The state of everything under a root, for a person.

    Raises:
        HostUnfitError: the root is there and cannot be read.
    """
    document = as_document(root, most_failures=None if only_failed else SHOWN_FAILURES)
    return render(document, root, only_failed=only_failed)


def unreadable(root: Path, error: OSError) -> HostUnfitError:
    """The one-line error for a root that cannot be read."""
    if is_passing(error):
        return unfit(error)
    where = error.filename or root
    return HostUnfitError(f"{where}: {error.strerror or error}", "give a root that you can read (--root)")


def _experiment(root: Path, state: ExperimentState, seen: Snapshot, most_failures: int | None) -> Document:
    held = _held(state)
    workers = [_worker(session, state.name, held.get(session.sid, [])) for session in seen.sessions.values()]
    failed = itertools.islice(state.those(State.FAILED), most_failures)
    return {
        "name": state.name,
        "jobs": state.counts,
        "eta_seconds": _eta(root, state, workers),
        # A worker that runs nothing at all is everybody's.
        "workers": [
            worker
            for worker in workers
            if worker["jobs"] or worker["held"] or not seen.sessions[worker["session"]].note.get("jobs")
        ],
        "failures": [_failure(root, job) for job in failed],
        "blocked": [{"job": job.job, "reason": job.reason} for job in state.those(State.BLOCKED)],
        "waiting": _waiting(state),
        "orphaned": [job for sid, jobs in held.items() if sid not in seen.sessions for job in jobs],
        "left_undone": list(_left_undone(state, seen)),
        "problem": state.problem,
    }


# --- workers --------------------------------------------------------------------------------------------------------


def _held(state: ExperimentState) -> dict[str, list[str]]:
    """The jobs that sessions hold and do not run, by session."""
    held: dict[str, list[str]] = defaultdict(list)
    for job in state.those(State.SILENT):
        held[job.session or ""].append(job.job)
    return dict(held)


def _worker(session: SessionState, experiment: str, held: list[str]) -> Document:
    note = session.note
    silent = session.silent_seconds
    return {
        "session": session.sid,
        **_who(session),
        "gpus": note.get("gpus", []),
        "slots": note.get("slots"),
        "jobs": [job for job in note.get("jobs", []) if job.get("experiment") == experiment],
        "silent_seconds": None if math.isinf(silent) else round(silent, 1),
        "is_silent": session.is_silent,
        "is_own_clock": session.is_own_clock,
        "is_gone": session.is_gone,
        "held": held,
        "waits_for": note.get("waits_for", []),
    }


def _who(session: SessionState) -> Document:
    claimer, note = session.claimer, session.note
    if claimer is not None:
        return {"host": claimer.host, "pid": claimer.pid}
    return {"host": note.get("host", "?"), "pid": note.get("pid")}


def _left_undone(state: ExperimentState, seen: Snapshot) -> Iterator[Document]:
    """What workers stopped claiming of an experiment, and what they could not run.

    Where some of it runs, only open workers are heard, and only on what they stopped: others may have mended what those
    that have left complained of, and can run what some cannot.
    """
    waiting = state.counts["waiting"] + state.counts["silent"]
    speakers = [one for one in seen.sessions.values() if not one.is_silent]
    is_idle = not state.counts["running"]
    told = set()
    for session in [*speakers, *(seen.over.values() if is_idle else ())] if waiting else ():
        # What failed in the hands of one that has left may have been asked for again, and have ended otherwise since.
        is_heard = not session.is_ended or session.sid in seen.enders
        stopped = _stopped(session.note, state.name, waiting) if is_heard else ()
        unfit = _could_not_run(session.note, state.name, waiting) if is_idle else ()
        for what in [*stopped, *unfit]:
            if (key := (what["kind"], what["reason"])) not in told:
                told.add(key)
                yield {**what, **_who(session), "session": session.sid, "has_left": session.is_ended}


def _stopped(note: Document, experiment: str, waiting: int) -> Iterator[Document]:
    for trip in _mappings(note.get("stopped")):
        if trip.get("experiment") in {"", experiment}:
            is_all = not trip["experiment"]
            yield {"kind": "stopped", "is_all": is_all, "reason": str(trip.get("error", "")), "jobs": waiting}


def _could_not_run(note: Document, experiment: str, waiting: int) -> Iterator[Document]:
    for left in _mappings(note.get("could_not_run")):
        if left.get("experiment") == experiment and isinstance(jobs := left.get("jobs"), int):
            reason = str(left.get("reason", ""))
            yield {"kind": "could_not_run", "is_all": False, "reason": reason, "jobs": min(jobs, waiting)}


def _mappings(value: object) -> list[Document]:
    """Notes are for people, and anybody may have written them."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


# --- jobs -----------------------------------------------------------------------------------------------------------


def _waiting(state: ExperimentState) -> list[Document]:
    """Why the waiting wait: how many for which reason, and how long their back-off lasts at most."""
    jobs: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for job in state.those(State.WAITING):
        jobs[job.reason] += 1
        seconds[job.reason] = max(seconds[job.reason], job.backoff_seconds)
    if untried := state.counts["waiting"] - sum(jobs.values()):
        jobs[UNTRIED] += untried
    return [{"reason": why, "jobs": count, "again_within_seconds": seconds[why]} for why, count in jobs.items()]


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


# --- time -----------------------------------------------------------------------------------------------------------


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
    """How long an attempt takes that is done, from a sample of them."""
    done = list(state.accepted())
    records = [job.end for job in state.those(State.DONE)] if not done else []
    records += [_end(root, state.name, *job) for job in done[:: max(1, len(done) // _SAMPLE)]]
    took = [record.body.get("seconds") for record in records if record is not None]
    seconds = [float(each) for each in took if isinstance(each, int | float)]
    return sum(seconds) / len(seconds) if seconds else None


def _end(root: Path, experiment: str, job: str, attempt: int) -> EndRecord | None:
    try:
        return decode_end((root / layout.end(experiment, job, attempt)).read_bytes())
    except (OSError, ValueError):
        return None


def watch_status(root: Path, clear: Callable[[], None], echo: Callable[[str], None]) -> None:
    """Show the status again every two seconds, until Ctrl-C; a server that is away for a while ends it no more.

    Raises:
        HostUnfitError: the root cannot be read from the beginning.
    """
    try:
        told = text(root)
        while True:
            clear()
            echo(told)
            time.sleep(2)
            told = _text_or_trouble(root)
    except KeyboardInterrupt:
        return


def _text_or_trouble(root: Path) -> str:
    try:
        return text(root)
    except HostUnfitError as error:
        return f"error: {error}"
