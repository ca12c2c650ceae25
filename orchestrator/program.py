"""An attempt that is a process of its own: a program, or a trainer, forked from a warm process if it can be."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from orchestrator.gpu_locks import GPU_TAKEN, take_lock
from orchestrator.leavings import collect_patiently
from orchestrator.line import Line
from orchestrator.memory import OUT_OF_MEMORY, is_out_of_memory, oom_kills
from trainers.errors import EXIT_PREEMPTED
from trainers.lifeline import die_with_parent
from trainers.passing import is_passing

Message = dict[str, Any]


class Started(Protocol):
    """A process that an attempt is."""

    pid: int

    def wait(self) -> int:
        """Wait for its end; its exit status, negative: the signal that ended it."""
        ...


def run_program(line: Line, message: Message) -> Message:
    """Start a program in a group of its own, wait for it, end what it left behind; its verdict."""
    with contextlib.ExitStack() as held:
        try:
            log = held.enter_context(Path(message["log"]).open("ab"))
        except OSError as error:
            return {"verdict": "released", "error": f"its log could not be opened: {error}"}
        try:
            locks = [held.enter_context(_gpu_lock(path)) for path in message.get("locks", ())]
        except BlockingIOError:
            return {"verdict": "released", "error": GPU_TAKEN}
        before = oom_kills()
        try:
            child = _start(line, message, log, locks)
        except OSError as error:
            verdict = "released" if is_passing(error) else "failed"
            return {"verdict": verdict, "error": f"{message['argv'][0]}: {error.strerror}", "status": 127}
        line.begin(child)
        line.reply(event="started", attempt=message["attempt"], group=child.pid)
        status = child.wait()
        line.child = None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    if status == 0:
        return {"verdict": "done", "status": 0, **collect_patiently(Path(message["env"]["ORCH_FOLDER"]))}
    if is_out_of_memory(status, before):
        return {"verdict": "oom", "status": status, "error": OUT_OF_MEMORY}
    return {"verdict": "preempted" if status == EXIT_PREEMPTED else "failed", "status": status}


def _start(line: Line, message: Message, log: BinaryIO, locks: list[int]) -> Started:
    if "trainer" in message:
        from orchestrator.warm import slot

        if forked := slot.fork(line, message, [log.fileno(), *locks]):
            return forked
    runner = os.getpid()
    return subprocess.Popen(  # noqa: S603  argv comes from the grid's author, without a shell
        message["argv"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **message["env"]},
        process_group=0,
        pass_fds=locks,
        preexec_fn=lambda: die_with_parent(runner),
    )


@contextlib.contextmanager
def _gpu_lock(path: str) -> Iterator[int]:
    """Hold a GPU's lock for an attempt, which inherits the descriptor: closed here, never unlocked.

    So the GPU is free only when the last of the attempt's processes is gone.
    """
    descriptor = take_lock(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
