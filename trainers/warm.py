"""A process that has imported what an attempt needs, and forks into attempts: what takes seconds is done once a slot.

`python -P -m trainers.warm SOCKET_FD [--idle SECONDS]`. Over the socket (SOCK_SEQPACKET) go messages of one JSON object
each. A request is {"arguments": those of `trainers.run`, "environment": what this attempt has of its own} and brings
descriptors along: the log, then the GPU locks, which stay open as long as the attempt lives. The answers are {"pid": n}
at once and {"status": n} when that process has ended; a negative status is the signal that ended it. One attempt at a
time. It leaves when nothing was asked for a while, as it holds memory, and when nobody is left to ask.

A GPU that was used, or a thread, would not survive a fork: it has neither, and rather ends than forks with one.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from trainers import run
from trainers.errors import EXIT_PREEMPTED, Preempted
from trainers.lifeline import die_with_parent
from trainers.printing import survive_a_lost_log

MAX_BYTES: Final = 1 << 18
MAX_DESCRIPTORS: Final = 64
IDLE_SECONDS: Final = 60.0
_OUTPUTS: Final = (1, 2)
_STOPPING: Final = (signal.SIGTERM, signal.SIGUSR1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Import, then fork attempts as they are asked for; returns the exit status."""
    die_with_parent()
    # Also for an attempt that is about to be forked: it has done nothing yet.
    for number in _STOPPING:
        signal.signal(number, lambda *_: os._exit(EXIT_PREEMPTED))
    survive_a_lost_log()  # what is imported may keep a reference to the streams
    options = _parse(arguments)
    run.set_environment({"train": {"threads": os.environ.get("OMP_NUM_THREADS", "1")}})
    load()
    gc.collect()
    gc.freeze()  # pages that the collector does not write to stay shared with the attempts
    with socket.socket(fileno=options.socket) as line:
        line.settimeout(options.idle)
        while request := _next(line):
            if why := unfit():
                print(f"error: cannot fork attempts: {why}", file=sys.stderr)  # noqa: T201 - the log
                return 1
            _serve(line, *request)
    return 0


def load() -> None:
    """Import what nearly every attempt imports sooner or later."""
    import torch

    import trainers.attempt
    import trainers.figures.curves
    import trainers.figures.reliability  # noqa: F401

    # Torch imports its compiler, as much again, at the first of either.
    torch.use_deterministic_algorithms(True)
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])


def unfit() -> str:
    """Why this process cannot be forked; empty: it can."""
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        return "what was imported has started a thread"
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor that lists them
            if str(entry.readlink()).startswith("/dev/nvidia"):
                return "what was imported uses a GPU"
    return ""


def _next(line: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next request with its descriptors; None: there will be none."""
    try:
        data, descriptors, _, _ = socket.recv_fds(line, MAX_BYTES, MAX_DESCRIPTORS)
    except TimeoutError:
        return None
    return (json.loads(data), descriptors) if data else None


def _serve(line: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    """Fork an attempt, tell its pid, wait for it, tell its exit status."""
    server = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    # Python forgets in the child what arrives before it has seen to itself there; what is blocked comes later.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    pid = os.fork()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    if pid == 0:
        line.close()
        _become_attempt(server, request, descriptors)
    with contextlib.suppress(OSError):  # whichever of the two is first
        os.setpgid(pid, pid)
    for descriptor in descriptors:
        os.close(descriptor)
    line.send(json.dumps({"pid": pid}).encode())
    _, status = os.waitpid(pid, 0)
    line.send(json.dumps({"status": os.waitstatus_to_exitcode(status)}).encode())


def _become_attempt(server: int, request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Be what `python -m trainers.run` would be, from the parsed command line to the exit status."""
    import numpy as np

    status = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(server)
        log, *locks = descriptors
        for output in _OUTPUTS:
            os.dup2(log, output)
        os.close(log)
        for lock in locks:
            os.set_inheritable(lock, True)
        os.environ.update(request["environment"])
        sys.argv[1:] = request["arguments"]
        np.random.seed()  # `random` sees to that itself; torch starts from the same seed in every process
        status = run.main(request["arguments"])
    except Preempted:  # before it had a folder to say so in
        status = EXIT_PREEMPTED
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(status)


def _leave(status: int) -> NoReturn:
    """End a forked process: what is to be done at the exit of the one that it was forked from is not done here."""
    with contextlib.suppress(Exception):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m trainers.warm", description="Fork attempts that need no imports.")
    parser.add_argument("socket", type=int, help="descriptor over which attempts are asked for")
    parser.add_argument(
        "--idle", type=float, default=IDLE_SECONDS, help="leave when so long nothing was asked (%(default)s)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    status = main()
    atexit._run_exitfuncs()
    os._exit(status)  # taking the interpreter apart would only complain of what the collector was told to leave alone
