"""`orch show`: one job from near: what was asked, how it stands, and the history of its attempts."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobs import layout
from jobs.control import ControlLog
from jobs.looking import read_whole
from jobs.plan import PlanIndex
from jobs.selecting import find_job
from jobs.snapshot import ExperimentState, JobState, State, snapshot
from jobs.spec import JobSpec, train_spec
from orchestrator.history import Archive, Story
from orchestrator.report.records import TEST_SELECTION, as_text, flatten
from orchestrator.status import unreadable
from orchestrator.status_text import span

if TYPE_CHECKING:
    from rich.table import Table

Document = dict[str, Any]
SCHEMA: Final = 1
_SHOWN_NEEDS: Final = 8
_SID: Final = 8  # digits of a session that tell it from others


def show(root: Path, text: str, *, experiment: str | None = None, as_json: bool = False, width: int = 80) -> str:
    """All there is to tell of a job.

    Args:
        root: the shared folder.
        text: the job's id, or a unique beginning of it.
        experiment: the only one to look for it in.
        as_json: the stable form for scripts instead of text.
        width: of the text, in columns.

    Raises:
        InputError: there is no such job, or more than one.
        HostUnfitError: the root cannot be read.
    """
    try:
        name, job = find_job(root, text, experiment)
        document = as_document(root, name, job)
    except OSError as error:
        raise unreadable(root, error) from error
    return json.dumps(document) if as_json else render(document, width)


def as_document(root: Path, experiment: str, job: str) -> Document:
    """The same for scripts: schema 1; keys may be added."""
    (state,) = snapshot(root, experiment).experiments
    spec, told = state.index.spec(job), state.state(job)
    control = ControlLog()
    read_whole(root, control.refresh)
    stories = Archive(root, experiment, job).stories()
    return {
        "schema": SCHEMA,
        "job": job,
        "experiment": experiment,
        "state": told.state.value,
        "reason": told.reason,
        "attempt": told.attempt,
        "kind": spec.kind,
        "cell": dict(flatten(spec.cell)),
        "spec": dict(flatten(_whole_spec(spec, experiment))),
        "notes": spec.notes,
        "needs": [{"job": other, "state": _state_of(state, other)} for other in spec.needs],
        "needed_by": [{"job": other, "state": _state_of(state, other)} for other in _needed_by(state.index, job)],
        "priority": control.priority(experiment, job, spec.priority),
        "planned_priority": spec.priority,
        "max_attempts": spec.max_attempts,
        "timeout_seconds": spec.timeout_seconds,
        "held": control.held_as(experiment, job),
        "folder": layout.job_folder(experiment, job),
        "attempts": [_attempt(root, story, told) for story in stories],
        "result": _result(stories, told),
    }


def _whole_spec(spec: JobSpec, experiment: str) -> Mapping[str, Any]:
    """Every value that the job runs with, defaults filled in."""
    if spec.kind != "train":
        return spec.content
    return {key: value for key, value in train_spec(spec, experiment).items() if key not in _HEADS}


_HEADS: Final = frozenset({"schema", "job", "experiment", "kind"})


def _state_of(state: ExperimentState, job: str) -> str:
    return state.state(job).state.value if job in state.index.lines else "not planned"


def _needed_by(index: PlanIndex, job: str) -> list[str]:
    if not index.has_needs:
        return []
    quoted = json.dumps(job)
    return [other for other in index.order if quoted in index.lines[other] and job in index.spec(other).needs]


def _attempt(root: Path, story: Story, told: JobState) -> Document:
    body = story.end.body if story.end is not None else {}
    is_open = story.end is None and story.number == told.attempt
    started = story.started
    so_far = max(0.0, time.time() - started) if is_open and started is not None else None
    return {
        "attempt": story.number,
        "session": story.claimer.sid if story.claimer is not None else None,
        "host": story.claimer.host if story.claimer is not None else None,
        "pid": story.claimer.pid if story.claimer is not None else None,
        "gpus": list(story.about.get("gpus") or []),
        "started": started,
        "seconds": story.seconds if story.end is not None else so_far,
        "end": story.end.kind.value if story.end is not None else None,
        "is_running": is_open and told.state is State.RUNNING,
        "error": str(body.get("error") or ""),
        "by": str(body.get("by") or ""),
        "is_void": story.is_void,
        "is_fresh": story.is_fresh,
        "resumes_from": list(story.resumes_from),
        "folder": story.folder.relative_to(root).as_posix() if story.folder is not None else None,
        "has_log": story.log is not None and story.log.is_file(),
    }


def _result(stories: list[Story], told: JobState) -> Any:
    """The accepted result, as its record holds it; None: the job is not done."""
    if told.state is not State.DONE:
        return None
    records = (story.end for story in stories if story.number == told.attempt)
    return next((record.body.get("summary") for record in records if record is not None), None)


# --- text -----------------------------------------------------------------------------------------------------------


def render(document: Document, width: int) -> str:
    """The document for a person."""
    from rich.console import Console

    lines = [
        f"{document['job']}  of {document['experiment']}",
        f"  {document['state']}" + (f": {document['reason']}" if document["reason"] else ""),
        *(f"  {name:12} {value}" for name, value in _facts(document)),
    ]
    parts = (("cell", document["cell"]), ("spec", document["spec"]), (_result_title(document), _flat(document)))
    for title, values in parts:
        lines += [title, *(f"  {key}  {as_text(value)}" for key, value in values.items())] if values else []
    if not document["attempts"]:
        return "\n".join([*lines, "no attempt yet"])
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, highlight=False, markup=False, emoji=False)
    console.print(_table(document))
    table = [line.rstrip() for line in out.getvalue().splitlines()]
    logs = [each for each in document["attempts"] if each["has_log"]]
    tail = [f"log of attempt {each['attempt']}: {_log_command(document, each)}" for each in logs[-3:]]
    return "\n".join([*lines, "attempts", *table, *tail])


def _log_command(document: Document, attempt: Document) -> str:
    return f"orch logs {document['job']} --attempt {attempt['attempt']}"


def _facts(document: Document) -> Iterator[tuple[str, str]]:
    asked, planned = document["priority"], document["planned_priority"]
    yield "priority", f"{asked}" + (f" (asked for; planned with {planned})" if asked != planned else "")
    yield "max_attempts", f"{document['max_attempts']}"
    timeout = document["timeout_seconds"]
    yield "timeout", span(timeout) if timeout is not None else "none"
    yield "held", f"yes: orch release {document['held']}" if document["held"] else "no"
    for key in ("needs", "needed_by"):
        if document[key]:
            yield key.replace("_", " "), _others(document[key])
    if document["notes"]:
        yield "notes", document["notes"]
    yield "folder", document["folder"]


def _others(others: list[Document]) -> str:
    shown = ", ".join(f"{other['job']} ({other['state']})" for other in others[:_SHOWN_NEEDS])
    return shown + (f" and {len(others) - _SHOWN_NEEDS} more" if len(others) > _SHOWN_NEEDS else "")


def _result_title(document: Document) -> str:
    """Says beside the numbers if the epoch that they are of was picked by looking at the test split."""
    result = document["result"] if isinstance(document["result"], dict) else {}
    is_test_selected = TEST_SELECTION in (result.get("select"), document["spec"].get("select"))
    return "result (optimistic: its epoch was selected on the test split)" if is_test_selected else "result"


_OF_TRAINER: Final = frozenset({"metrics", "recalls", "groups"})


def _flat(document: Document) -> dict[str, Any]:
    """A line for each value; which classes are in a group, and how each class does, stands in per_class.csv."""
    result = document["result"]
    if result is None:
        return {}
    values = dict(flatten(result if isinstance(result, dict) else {"value": result}))
    if not isinstance(result, dict) or not set(result) >= _OF_TRAINER:  # another program's keys of these names
        return values
    return {key: value for key, value in values.items() if key != "recalls" and not _names_classes(key)}


def _names_classes(key: str) -> bool:
    return key.startswith("groups.") and key.endswith(".classes")


def _table(document: Document) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("#", justify="right")
    for head in ("who", "GPUs", "started", "took"):
        table.add_column(head, overflow="fold")
    table.add_column("how it ended", overflow="fold", ratio=1)
    for attempt in document["attempts"]:
        table.add_row(
            str(attempt["attempt"]),
            f"{attempt['host']} {attempt['pid']} {attempt['session'][:_SID]}" if attempt["session"] else "nobody",
            ", ".join(str(gpu)[: len("GPU-") + _SID] for gpu in attempt["gpus"]) or "-",
            _when(attempt["started"]),
            span(attempt["seconds"]) if attempt["seconds"] is not None else "-",
            _how(attempt, document["state"]),
        )
    return table


def _when(seconds: float | None) -> str:
    return time.strftime("%m-%d %H:%M:%S", time.localtime(seconds)) if seconds is not None else "-"


def _how(attempt: Document, state: str) -> str:
    if attempt["end"] is None:
        how = state
    elif attempt["end"] == "evicted":
        how = f"evicted by {attempt['by'][:_SID] or 'another'}: its worker was gone or silent"
    else:
        how = attempt["end"] + (f": {attempt['error']}" if attempt["error"] else "")
    if attempt["is_void"]:
        how += "; void: requeued" + (", to start afresh" if attempt["is_fresh"] else "")
    if attempt["resumes_from"]:
        how += f"; could resume from {', '.join(map(str, attempt['resumes_from']))}"
    return how
