"""The status document for people, at most some two screens of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from jobs.snapshot import State

Document = dict[str, Any]
SHOWN_FAILURES: Final = 10
_SHOWN_JOBS: Final = 20
_SHOWN_HELD: Final = 3
_STATES: Final = [state.value for state in State]


def render(document: Document, root: Path, *, only_failed: bool = False) -> str:
    """The document as text.

    Args:
        document: with all failures where they alone are wanted, else at least the first few.
        root: the shared folder, for the text.
        only_failed: whether to show nothing but the failures, all of them.
    """
    if only_failed:
        parts = ["\n".join(_failures(experiment, all_of_them=True)) for experiment in document["experiments"]]
        return "\n\n".join(part for part in parts if part) or "no job has failed"
    parts = ["\n".join(_experiment(experiment)) for experiment in document["experiments"]]
    parts = parts or [f"nothing is planned in {root}; start with: orch plan"]
    if remarks := [*_remarks(document)]:
        parts.append("\n".join(remarks))
    return "\n\n".join(parts)


def _remarks(document: Document) -> Iterator[str]:
    if document["problem"]:
        yield f"not all commands could be read: {document['problem']}"
    yield from (f"{path}: no file of orch's; it is left alone" for path in document["strangers"])


def _experiment(experiment: Document) -> Iterator[str]:
    counts, eta = experiment["jobs"], experiment["eta_seconds"]
    yield f"{experiment['name']}  {_counted(counts['total'], 'job')}" + (f"  ETA {span(eta)}" if eta else "")
    if experiment["problem"]:
        yield f"  not all of its plan could be read: {experiment['problem']}"
    yield "  " + "  ".join(f"{name} {counts[name]}" for name in _STATES if counts[name])
    yield f"  {_bar(counts)}"
    yield from _workers(experiment["workers"])
    if orphaned := experiment["orphaned"]:
        yield f"  of workers that are gone: {_names(orphaned)}; a free slot takes them over"
    if experiment["waiting"]:
        yield "  waiting: " + ", ".join(map(_reason, experiment["waiting"]))
    yield from _blocked(experiment["blocked"])
    for left in experiment["left_undone"]:
        yield from _left_undone(left)
    yield from _failures(experiment)
    if counts["failed"]:
        yield f"  mend the cause, then: orch requeue {experiment['name']} --state failed"


def _workers(workers: list[Document]) -> Iterator[str]:
    shown = 0
    for worker in workers:
        gpus = "GPU " + ",".join(map(str, worker["gpus"])) if worker["gpus"] else _counted(worker["slots"], "CPU slot")
        yield f"  {worker['host']} pid {worker['pid']}  {gpus}{_silence(worker)}"
        yield from (f"    waits: {problem}" for problem in worker["waits_for"])
        if worker["held"]:
            yield f"    holds {_names(worker['held'])}; a free slot takes over what nobody runs any more"
            continue
        yield from (f"    {_job_line(job)}" for job in worker["jobs"][: max(0, _SHOWN_JOBS - shown)])
        shown += len(worker["jobs"])


def _silence(worker: Document) -> str:
    if not worker["is_silent"]:
        return ""
    whose = " (by this host's clock)" if worker["is_own_clock"] else ""
    how = " (its process is gone)" if worker["is_gone"] else whose
    return f"  silent for {span(worker['silent_seconds'])}{how}"


def _names(jobs: Sequence[str]) -> str:
    shown = ", ".join(jobs[:_SHOWN_HELD])
    return f"{len(jobs)} job{'s' * (len(jobs) > 1)} ({shown}{', ...' * (len(jobs) > _SHOWN_HELD)})"


def _reason(waiting: Document) -> str:
    seconds = waiting["again_within_seconds"]
    return f"{waiting['jobs']} {waiting['reason']}" + (f" (again within {span(seconds)})" if seconds else "")


def _blocked(blocked: list[Document]) -> Iterator[str]:
    """Those for one reason in one line; where each has its own, those of a kind, with the first."""
    groups: dict[str, list[Document]] = {}
    for job in blocked:
        groups.setdefault(job["reason"].split(maxsplit=1)[0], []).append(job)
    for group in groups.values():
        first = group[0]
        if all(job["reason"] == first["reason"] for job in group):
            yield f"  blocked: {len(group)} {first['reason']}"
        else:
            yield f"  blocked: {len(group)}, the first {first['job']}: {first['reason']}"


def _left_undone(left: Document) -> Iterator[str]:
    who = f"{left['host']} pid {left['pid']}" + " (it has left)" * left["has_left"]
    if left["kind"] == "stopped":
        yield f"  {who} stopped claiming {'anything' if left['is_all'] else 'these'}: {left['reason']}"
        yield "    mend the cause, then: orch worker"
    else:
        jobs = f"{left['jobs']} job{'s' * (left['jobs'] != 1)}"
        yield f"  {who} could not run {jobs}: {left['reason']}"
        yield "    start orch worker where they can run"


def _failures(experiment: Document, *, all_of_them: bool = False) -> Iterator[str]:
    failures = experiment["failures"]
    shown = failures if all_of_them else failures[:SHOWN_FAILURES]
    for failure in shown:
        yield f"  {failure['kind']} {failure['job']} (attempt {failure['attempt']}): {failure['error']}"
        if failure["log"]:
            yield f"    log: {failure['log']}"
    if more := experiment["jobs"]["failed"] - len(shown):
        yield f"  ... {more} more: orch status --failed"


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
        parts.append(f"ETA {span(progress['eta_seconds'])}")
    return "  ".join(part for part in parts if part)


def span(seconds: float | None) -> str:
    """Seconds as people say them: 42 s, 3 min, 2 h 05 min, 3 d 4 h."""
    if seconds is None:
        return "an unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return (
        f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 2880 else f"{minutes // 1440} d {minutes // 60 % 24} h"
    )


def _counted(number: int | None, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)
