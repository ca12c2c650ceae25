"""What there is to export: the training jobs of an experiment, those that are done and those that failed for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.errors import InputError
from jobs.snapshot import State, accepted, planned, snapshot
from jobs.spec import JobSpec, train_spec
from orchestrator.history import Archive
from orchestrator.report.loading import choose_experiment
from orchestrator.status import unreadable

_LOG_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """A training job: its id, and its whole spec with every default filled in."""

    id: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """A job with its accepted result: the folder of the attempt, and its `result.json`."""

    job: Job
    folder: Path | None
    result: Mapping[str, Any]

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The row of the reported epoch."""
        found = self.result.get("metrics")
        return found if isinstance(found, Mapping) else {}

    @property
    def temperature(self) -> float | None:
        """What was fitted for the reported epoch."""
        found = self.result.get("temperature")
        is_number = isinstance(found, int | float) and not isinstance(found, bool) and found > 0
        return float(found) if is_number and found is not None else None


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that failed for good, and what is known of it: the error, and the end of its last log."""

    job: Job
    text: str


@dataclass(frozen=True)
class Source:
    """An experiment to export.

    Attributes:
        experiment: its name.
        jobs: every training job that is planned and not cancelled, in plan order, whether it is done or not: what a
            file is called may depend on all of them, and so does not change as more of them get done.
        done: those with a result, in plan order; only the chosen ones.
        failed: those that failed for good, in plan order; only the chosen ones.
        notes: what a person should know of what could not be exported; a layout may add to them.
    """

    experiment: str
    jobs: Sequence[Job]
    done: Sequence[Done]
    failed: Sequence[Failed]
    notes: list[str] = field(default_factory=list)


def read_source(root: Path, experiment: str, only: Sequence[str] = ()) -> Source:
    """Read an experiment.

    Args:
        root: the shared folder.
        experiment: its name.
        only: ids of jobs, or unique beginnings of such; none: all.

    Raises:
        InputError: no such experiment or job, no training job, or none of them done.
        HostUnfitError: the root cannot be read.
    """
    from jobs.plan import experiments

    try:
        name = choose_experiment(experiments(root), experiment, root)
        (state,) = snapshot(root, name).experiments
        states = {job.job: job.state for job in state.jobs}
        reasons = {job.job: job.reason for job in state.jobs}
        specs = [spec for spec in planned(root, name) if spec.kind == "train"]
        results = {found.spec.id: found for found in accepted(root, name)}
        wanted = _chosen([spec.id for spec in specs], only, name)
        failed = [spec for spec in specs if spec.id in wanted and states.get(spec.id) is State.FAILED]
        told = [Failed(_job(spec, name), _failure(root, name, spec.id, reasons[spec.id])) for spec in failed]
    except OSError as error:
        raise unreadable(root, error) from error
    if not specs:
        raise InputError(f"nothing to export: {name} has no job of kind train", "choose another experiment")
    done = [
        Done(_job(spec, name), results[spec.id].folder, results[spec.id].summary)
        for spec in specs
        if spec.id in wanted and spec.id in results
    ]
    if not done:
        raise InputError(
            f"nothing to export: none of the {len(wanted)} training jobs of {name} is done",
            "`orch status` shows how far they are",
        )
    jobs = [_job(spec, name) for spec in specs if states.get(spec.id) is not State.CANCELLED or spec.id in results]
    missing = len(wanted.intersection(job.id for job in jobs)) - len(done) - len(told)
    notes = [f"{missing} of {len(wanted)} jobs are not done yet"] if missing else []
    return Source(name, jobs, done, told, notes)


def _job(spec: JobSpec, experiment: str) -> Job:
    return Job(spec.id, train_spec(spec, experiment))


def _chosen(ids: Sequence[str], only: Sequence[str], experiment: str) -> set[str]:
    if not only:
        return set(ids)
    chosen = set()
    for text in only:
        found = [job for job in ids if job == text] or [job for job in ids if job.startswith(text)]
        if len(found) != 1:
            what = "no training job" if not found else f"{len(found)} training jobs"
            raise InputError(f"{what} of {experiment} begin with {text!r}", "give the id that `orch show` prints")
        chosen.add(found[0])
    return chosen


def _failure(root: Path, experiment: str, job: str, reason: str) -> str:
    """The error of the last attempt that ended badly, and the end of its log, where the traceback is."""
    stories = [story for story in Archive(root, experiment, job).stories() if story.end is not None]
    if not stories:
        return reason + "\n"
    last = stories[-1]
    error = str(last.end.body.get("error") or reason) if last.end is not None else reason
    return f"{error}\n" + (f"\n{log}" if (log := _tail(last.log)) else "")


def _tail(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_BYTES))
            data = file.read(_LOG_BYTES)
    except OSError:  # a log that is gone or cannot be read leaves the error, which stands in the record
        return ""
    text = data.decode("utf-8", "replace")
    return text.partition("\n")[2] if size > _LOG_BYTES else text
