"""The record that an attempt leaves when it does not finish: failure.json. No torch."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any, Final, TypeGuard

from trainers.errors import NonFiniteError, Preempted
from trainers.patience import Patience

FAILURE: Final = "failure.json"
_OUT_OF_MEMORY: Final = ("OutOfMemoryError", "MemoryError")
_PATIENCE: Final = Patience(seconds=5.0)


def failure_kind(error: BaseException) -> str:
    """`preempted`, `nan`, `oom` or `failed`; torch's error is known by its name: torch may not have been imported."""
    if isinstance(error, Preempted):
        return "preempted"
    if isinstance(error, NonFiniteError):
        return "nan"
    names = {base.__name__ for base in type(error).__mro__}
    return "oom" if names & set(_OUT_OF_MEMORY) else "failed"


def failure_record(error: BaseException) -> dict[str, Any]:
    """What failure.json holds: the kind, one line, and what the error knows of epoch, step, errno and file name."""
    # What stopped because of a folder names it too, so that the folder's fault is not taken for the job's.
    cause = error.__cause__ if isinstance(error, Preempted) else error
    lines = str(error).strip().splitlines()
    is_ours = type(error).__module__.startswith("trainers.")
    text = lines[0] if lines else type(error).__name__
    return {
        "kind": failure_kind(error),
        "error": text if is_ours or not lines else f"{type(error).__name__}: {text}",
        "step": getattr(error, "step", None),
        "epoch": getattr(error, "epoch", None),
        "peak_memory_bytes": getattr(error, "peak_memory_bytes", None),
        "errno": cause.errno if isinstance(cause, OSError) else None,
        "filename": os.fsdecode(cause.filename) if isinstance(cause, OSError) and _is_name(cause.filename) else None,
    }


def _is_name(filename: object) -> TypeGuard[str | bytes]:
    """An error may hold a descriptor's number in place of a name."""
    return isinstance(filename, str | bytes)


def write_failure(folder: Path, error: BaseException) -> None:
    """Write failure.json, unless another rank was first: its failure is the cause, this one a consequence."""
    target = folder / FAILURE
    text = json.dumps(failure_record(error)) + "\n"
    try:
        _PATIENCE.retry(FAILURE, lambda: _put(target, text))
    except OSError as problem:
        print(f"warning: {target} could not be written: {problem}", file=sys.stderr)  # noqa: T201 - the log


def _put(target: Path, text: str) -> None:
    temporary = target.with_name(f".{FAILURE}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            os.link(temporary, target)
    finally:
        with contextlib.suppress(OSError):  # hidden, and of an attempt that has no result
            temporary.unlink()
