"""The child that attempts come from: started by exec, once a slot, and kept while the worker lives.

It calls functions itself (`kind: call`), with their module loaded once. Programs, and trainers that it does not have
forked (`orchestrator.warm`), it starts as processes in a group of their own. Its two pipes to the worker carry one JSON
object a line. When the worker is gone its command pipe closes, and the runner takes the running attempt, with all that
is in its group, down with itself.

A short job should not wait for its runner to start: what only some attempts need is imported when one does.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from orchestrator.line import Line
from trainers.errors import EXIT_PREEMPTED

Message = dict[str, Any]


class Stopped(BaseException):
    """Raised inside a called function when its attempt is to stop."""


def main() -> None:
    """Serve attempts: `python -m orchestrator.runner RUNS_FD SIGNALS_FD REPLIES_FD`."""
    runs, signals, replies = map(int, sys.argv[1:4])
    for descriptor in (runs, signals, replies):
        os.set_inheritable(descriptor, False)
    line = Line(runs, signals, replies)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *received: _stop_call(line, *received))
    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a function may kill its process: its last words are kept
    threading.Thread(target=line.listen, daemon=True).start()
    while True:
        message = line.next_run()
        ended = _call(line, message) if message["kind"] == "call" else _run_program(line, message)
        line.reply(event="ended", attempt=message["attempt"], **ended)


def _stop_call(line: Line, _number: int, _frame: FrameType | None) -> None:
    if line.is_calling:
        line.is_calling = False  # raised once an attempt: never while the runner has gone on
        raise Stopped


def _run_program(line: Line, message: Message) -> Message:
    from orchestrator.program import run_program

    return run_program(line, message)


# --- kind: call -----------------------------------------------------------------------------------------------------


def _call(line: Line, message: Message) -> Message:
    """Call the function of an attempt; its verdict."""
    os.environ.update(message["env"])
    if message.get("locks") and (refused := _take_locks(message["locks"])):
        return refused
    try:
        try:
            line.begin()
            value = _resolve(message["target"])(**message["arguments"])
        finally:
            line.is_calling = False
        result = value if isinstance(value, dict) else {"value": value}
        json.dumps(result, allow_nan=False)
    except Stopped:
        return {"verdict": "preempted", "error": "stopped"}
    except SystemExit as exit_:
        if exit_.code == EXIT_PREEMPTED:
            return {"verdict": "preempted", "error": "exit status 75"}
        return {"verdict": "failed", "error": f"SystemExit: the function left with {exit_.code!r}"}
    except BaseException as error:
        from orchestrator.raised import verdict_on

        return verdict_on(error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return {"verdict": "done", "summary": result, **_left_in(message["env"]["ORCH_FOLDER"])}


def _left_in(folder: str) -> Message:
    try:
        os.stat(folder)  # noqa: PTH116  a path object would cost the start of each runner some milliseconds
    except FileNotFoundError:
        return {}
    except OSError:  # it may well be there: what collects waits until that can be seen
        sys.stderr.write(f"{folder} cannot be looked at now\n")
    from pathlib import Path

    from orchestrator.leavings import collect_patiently

    return collect_patiently(Path(folder))


def _resolve(target: str) -> Any:
    """The function `module:name` (dots allowed in the name)."""
    module, _, name = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _take_locks(paths: list[str]) -> Message:
    """Hold them until this process ends, as what the function has on the GPUs is; what to say where that fails."""
    from orchestrator.gpu_locks import GPU_TAKEN, take_lock

    try:
        for path in paths:
            take_lock(path)
    except BlockingIOError:
        return {"verdict": "released", "error": GPU_TAKEN}
    return {}


if __name__ == "__main__":
    main()
