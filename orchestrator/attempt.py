"""One attempt of one job, as its worker sees it: how it is started, stopped, and what became of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jobs import layout
from jobs.errors import OrchError
from jobs.records import End
from jobs.spec import JobSpec, call_target, command_argv, train_spec
from orchestrator.gpus import lock_path
from trainers.passing import PASSING

MAX_SUMMARY_BYTES: Final = 64 * 1024
KILL_AFTER_SECONDS: Final = 30.0
_TAIL_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class Resources:
    """What an attempt occupies: GPUs by UUID, and CPU slots."""

    gpus: tuple[str, ...] = ()
    slots: int = 1


@dataclass
class Attempt:
    """A claimed attempt of this worker.

    Attributes:
        folder: where it may write, absolute; made already for `train` and `command`.
        resume: earlier attempts' folders that it may resume from, newest first.
        stop_reason: why it was told to stop; empty: it was not.
        is_ended_elsewhere: somebody else's end stands for it, so nothing is left to publish.
        deadlines: monotonic seconds: when to tell it to stop (timeout), when to kill it.
    """

    experiment: str
    spec: JobSpec
    number: int
    folder: Path
    resume: tuple[Path, ...] = ()
    resources: Resources = field(default_factory=Resources)
    started: float = 0.0
    stop_reason: str = ""
    is_ended_elsewhere: bool = False
    timeout_at: float | None = None
    kill_at: float | None = None
    progress_file: Path | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.experiment, self.spec.id, self.number)

    @property
    def log(self) -> Path:
        return self.folder / layout.LOG_FILE


# --- starting -------------------------------------------------------------------------------------------------------


def message_for(attempt: Attempt, scratch: Path) -> dict[str, Any]:
    """What the runner is to do for an attempt.

    Args:
        attempt: with its folder made, for kinds that have one from the start.
        scratch: a folder of this host for the spec file and the progress file.
    """
    spec = attempt.spec
    name = scratch_name(attempt)
    spec_file = scratch / f"{name}.spec.json"
    attempt.progress_file = scratch / f"{name}.progress.json"
    environment = {
        "ORCH_FOLDER": str(attempt.folder),
        "ORCH_RESUME": str(attempt.resume[0]) if attempt.resume else "",
        "ORCH_SPEC": str(spec_file),
        "ORCH_PROGRESS": str(attempt.progress_file),
        "CUDA_VISIBLE_DEVICES": ",".join(attempt.resources.gpus),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    locks = [str(lock_path(gpu)) for gpu in attempt.resources.gpus]
    if spec.kind == "call":
        target, arguments = call_target(spec)
        return {"kind": "call", "target": target, "arguments": arguments, "env": environment, "locks": locks}
    document = spec_document(attempt)
    spec_file.write_text(json.dumps(document), encoding="utf-8")
    if spec.kind == "train":
        environment["OMP_NUM_THREADS"] = str(document["train"]["threads"])
    message = {"kind": "process", "env": environment, "log": str(attempt.log), "locks": locks}
    if spec.kind != "train":
        return {**message, "argv": _command_argv(spec)}
    trainer = _trainer_arguments(attempt, spec_file)
    if ranks_of(spec) == 1 and document["train"]["threads"] == 1:
        message["trainer"] = trainer  # it may be forked, but not where libraries start threads when they are loaded
    return {**message, "argv": _train_argv(attempt, trainer)}


def scratch_name(attempt: Attempt) -> str:
    """What an attempt's files on this host begin with."""
    return f"{attempt.experiment}.{attempt.spec.id}.{attempt.number:04d}"


def spec_document(attempt: Attempt) -> dict[str, Any]:
    """The spec file of an attempt."""
    spec = attempt.spec
    if spec.kind == "train":
        return train_spec(spec, attempt.experiment)
    return {"schema": 1, "job": spec.id, "experiment": attempt.experiment, "kind": spec.kind, **spec.content}


def _command_argv(spec: JobSpec) -> list[str]:
    argv = command_argv(spec)
    return [sys.executable, *argv[1:]] if argv[0] == "python" else argv


def _train_argv(attempt: Attempt, trainer: list[str]) -> list[str]:
    ranks = ranks_of(attempt.spec)
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "-m"] if ranks > 1 else []
    return [sys.executable, "-P", "-m", *launcher, "trainers.run", *trainer]


def _trainer_arguments(attempt: Attempt, spec_file: Path) -> list[str]:
    """What the trainer's entry point is told."""
    resume = ["--resume", *map(str, attempt.resume)] if attempt.resume else []
    return [str(spec_file), str(attempt.folder), *resume]


def ranks_of(spec: JobSpec) -> int:
    """How many processes train a job together."""
    return int(spec.content.get("train", {}).get("ranks", 1)) if spec.kind == "train" else 1


def make_folder(root: Path, experiment: str, name: tuple[str, int, str], about: Mapping[str, Any]) -> Path:
    """A new folder for attempt `name` = (job, number, session); never one that is there already."""
    job, number, sid = name
    base = layout.attempt_folder(experiment, job, number, sid)
    for suffix in ("", *(f"-{again}" for again in range(2, 100))):
        folder = root / f"{base}{suffix}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        try:
            (folder / layout.ATTEMPT_FILE).write_text(json.dumps(dict(about), indent=1) + "\n", encoding="utf-8")
        except OSError:
            with contextlib.suppress(OSError):
                (folder / layout.ATTEMPT_FILE).unlink(missing_ok=True)
                folder.rmdir()
            raise
        return folder
    raise OrchError(f"{base}: a hundred folders of one attempt", "look at who writes there")


# --- ending ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of an attempt: the kind of its end, and what its record says besides.

    Attributes:
        is_weather: the shared folder failed it, not what it ran.
    """

    kind: End
    body: Mapping[str, Any]
    is_weather: bool = False


def ending(attempt: Attempt, event: Mapping[str, Any]) -> Ending:
    """The end that an attempt's last event amounts to.

    Raises:
        OSError: the folder would not show now what the attempt left there: ask again later.
    """
    verdict = str(event["verdict"])
    if verdict == "done" and attempt.spec.kind == "train" and not (attempt.folder / layout.RESULT_FILE).is_file():
        verdict, event = "failed", {**event, "error": "the trainer left no result.json"}
    if verdict == "done" and (broken := _broken_result(attempt)):
        verdict, event = "failed", {**event, "error": broken}
    if verdict == "done":
        return Ending(End.DONE, {"files": event.get("files", []), "summary": _summary(attempt, event)})
    if attempt.stop_reason == "timeout":
        return Ending(End.FAILED, {"error": f"timeout: longer than {attempt.spec.timeout_seconds:g} s"})
    if attempt.stop_reason:
        kind = End.PREEMPTED if verdict == "preempted" else End.RELEASED
        return Ending(kind, {"error": attempt.stop_reason})
    told = _read_json(attempt.folder / layout.FAILURE_FILE)
    if verdict == "preempted":
        return Ending(End.PREEMPTED, {"error": told.get("error") or "it ended itself as preempted (exit status 75)"})
    if _is_weather(attempt, told or event):
        return Ending(End.RELEASED, {"error": str((told or event).get("error"))}, is_weather=True)
    kind = End(told["kind"]) if told.get("kind") in {"failed", "oom", "nan", "preempted"} else End(verdict)
    return Ending(kind, {"error": str(told.get("error") or _error(attempt, event)), "status": event.get("status")})


def _is_weather(attempt: Attempt, told: Mapping[str, Any]) -> bool:
    """Whether an attempt failed with a passing error of the shared folder, which is no fault of what it ran."""
    if told.get("errno") not in PASSING:
        return False
    name = told.get("filename")
    return name is None or Path(os.path.abspath(name)).is_relative_to(attempt.folder.parents[1])  # noqa: PTH100


def _broken_result(attempt: Attempt) -> str:
    """Why a program's result.json is no result; empty: it is one, or there is none."""
    path = attempt.folder / layout.RESULT_FILE
    if attempt.spec.kind != "command" or not path.is_file():
        return ""
    try:
        json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:
        return f"result.json is not JSON: {error}"
    return ""


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON value")


def _summary(attempt: Attempt, event: Mapping[str, Any]) -> Any:
    """The inline result: what a function returned, or a small result.json."""
    if "summary" in event:
        return event["summary"]
    path = attempt.folder / layout.RESULT_FILE
    if path.is_file() and path.stat().st_size <= MAX_SUMMARY_BYTES:
        return _read_json(path)
    return {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return found if isinstance(found, dict) else {"value": found}


def _error(attempt: Attempt, event: Mapping[str, Any]) -> str:
    """One line for a person: what the event says, else the exit status and the log's last line."""
    if event.get("error"):
        return str(event["error"])
    status = int(event.get("status", 1))
    cause = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    last = last_line(attempt.log)
    return f"{cause}: {last}" if last else cause


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "")


def tidy_folder(attempt: Attempt, printed: bytes) -> bool:
    """Keep a log only where something was written, and the folder only where something else came; whether it stays.

    A program may have done with its folder what it liked, and the root may be full: no reason for a worker to fall.
    """
    if attempt.spec.kind == "call":
        if printed:
            with contextlib.suppress(OSError):
                attempt.folder.mkdir(parents=True, exist_ok=True)
                attempt.log.write_bytes(printed)
        return attempt.folder.is_dir()
    with contextlib.suppress(OSError):
        if attempt.log.stat().st_size == 0:
            attempt.log.unlink()
    with contextlib.suppress(OSError):
        if {path.name for path in attempt.folder.iterdir()} <= {layout.ATTEMPT_FILE}:
            (attempt.folder / layout.ATTEMPT_FILE).unlink(missing_ok=True)
            attempt.folder.rmdir()
    return attempt.folder.is_dir()
