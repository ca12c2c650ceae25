"""The record that an attempt leaves when it does not finish: failure.json. No torch."""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any, Final

from trainers.errors import NonFiniteError, Preempted

FAILURE: Final = "failure.json"
_OUT_OF_MEMORY: Final = ("OutOfMemoryError", "MemoryError")


def failure_kind(error: BaseException) -> str:
    """`preempted`, `nan`, `oom` or `failed`; torch's error is known by its name: torch may not have been imported."""
    if isinstance(error, Preempted):
        return "preempted"
    if isinstance(error, NonFiniteError):
        return "nan"
    names = {base.__name__ for base in type(error).__mro__}
    return "oom" if names & set(_OUT_OF_MEMORY) else "failed"


def failure_record(error: BaseException) -> dict[str, Any]:
    """What failure.json holds: the kind, one line, and the epoch and step if the error knows them."""
    lines = str(error).strip().splitlines()
    is_ours = type(error).__module__.startswith("trainers.")
    text = lines[0] if lines else type(error).__name__
    return {
        "kind": failure_kind(error),
        "error": text if is_ours or not lines else f"{type(error).__name__}: {text}",
        "step": getattr(error, "step", None),
        "epoch": getattr(error, "epoch", None),
    }


def write_failure(folder: Path, error: BaseException) -> None:
    """Write failure.json, unless another rank was first: its failure is the cause, this one a consequence."""
    target = folder / FAILURE
    temporary = folder / f".{FAILURE}.{secrets.token_hex(4)}.tmp"
    try:
        temporary.write_text(json.dumps(failure_record(error)) + "\n", encoding="utf-8")
        try:
            os.link(temporary, target)
        except FileExistsError:
            return
        finally:
            temporary.unlink()
    except OSError as problem:
        print(f"warning: {target} could not be written: {problem}", file=sys.stderr)  # noqa: T201 - the log
