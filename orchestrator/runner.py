"""The child that attempts come from: started by exec, once a slot, and kept while the worker lives.

It calls functions itself (`kind: call`), with their module loaded once, and starts trainers and programs as processes
in a group of their own. Its two pipes to the worker carry one JSON object a line. When the worker is gone its command
pipe closes, and the runner takes the running attempt, with everything in its group, down with itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, Final

from orchestrator.memory import OUT_OF_MEMORY, is_out_of_memory, oom_kills
from trainers.catalogue import EXIT_PREEMPTED
from trainers.lifeline import die_with_parent
from trainers.passing import is_passing

UNLISTED: Final = frozenset({"log.txt"})
_GPU_TAKEN: Final = "another process of this host uses the GPU"

Message = dict[str, Any]


class Stopped(BaseException):
    """Raised inside a called function when its attempt is to stop."""


@dataclass
class Line:
    """The two pipes to the worker, and what the commands that arrive meanwhile concern.

    Attributes:
        early: a signal that came before the attempt that it is for had begun.
    """

    commands: int
    replies: int
    waiting: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    child: subprocess.Popen[bytes] | None = None
    is_calling: bool = False
    early: signal.Signals | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, **message: Any) -> None:
        data = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # the worker is gone: `listen` sees to the end
            while data:
                data = data[os.write(self.replies, data) :]

    def listen(self) -> None:
        """Take commands until the worker is gone (a thread of its own: the main one may be inside a function)."""
        with os.fdopen(self.commands, "rb") as stream:
            for text in stream:
                message = json.loads(text)
                if message["do"] == "run":
                    self.early = None
                    self.waiting.put(message)
                else:
                    self.stop(signal.Signals(message["signal"]))
        self.take_down()

    def begin(self, child: subprocess.Popen[bytes] | None = None) -> None:
        """The attempt runs from here on: as a process, or (None) as a function in the main thread, which calls this."""
        with self._turn:
            self.child, self.is_calling = child, child is None
            if self.early is not None:
                self._pass_on(self.early)

    def stop(self, number: signal.Signals) -> None:
        with self._turn:
            if self.child is None and not self.is_calling:
                self.early = number
            else:
                self._pass_on(number)

    def _pass_on(self, number: signal.Signals) -> None:
        if self.child is None:
            signal.pthread_kill(threading.main_thread().ident or 0, number)
            return
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self.child.pid, number)
            else:
                os.kill(self.child.pid, number)

    def take_down(self) -> None:
        """The worker is gone: end the attempt's group and this process's own."""
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)
        os.killpg(0, signal.SIGKILL)  # the runner leads a group of its own, with what a function started in it


def main() -> None:
    """Serve attempts: `python -m orchestrator.runner COMMANDS_FD REPLIES_FD`."""
    line = Line(int(sys.argv[1]), int(sys.argv[2]))
    os.set_inheritable(line.commands, False)
    os.set_inheritable(line.replies, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *received: _stop_call(line, *received))
    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a function may kill its process: its last words are kept
    threading.Thread(target=line.listen, daemon=True).start()
    while True:
        message = line.waiting.get()
        ended = _call(line, message) if message["kind"] == "call" else _run_process(line, message)
        line.reply(event="ended", attempt=message["attempt"], **ended)


def _stop_call(line: Line, _number: int, _frame: FrameType | None) -> None:
    if line.is_calling:
        line.is_calling = False  # raised once an attempt: never while the runner has gone on
        raise Stopped


# --- kind: call -----------------------------------------------------------------------------------------------------


def _call(line: Line, message: Message) -> Message:
    """Call the function of an attempt; its verdict."""
    os.environ.update(message["env"])
    try:
        for path in message.get("locks", ()):
            _take_lock(path)  # held until this process ends, as what the function has on the GPU is
    except BlockingIOError:
        return {"verdict": "released", "error": _GPU_TAKEN}
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
        traceback.print_exc()
        kind = "oom" if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" else "failed"
        return {"verdict": kind, "error": one_line(error), **_errno(error)}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return {"verdict": "done", "summary": result, **collect_patiently(Path(message["env"]["ORCH_FOLDER"]))}


def _errno(error: BaseException) -> Message:
    """What tells a fault of the folder from one of the function."""
    if not isinstance(error, OSError):
        return {}
    return {"errno": error.errno, "filename": None if error.filename is None else str(error.filename)}


def _resolve(target: str) -> Any:
    """The function `module:name` (dots allowed in the name)."""
    module, _, name = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def one_line(error: BaseException) -> str:
    """An exception as one line of at most 500 characters."""
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return text[-1][:500] if text else type(error).__name__


# --- kinds: train, command ------------------------------------------------------------------------------------------


def _run_process(line: Line, message: Message) -> Message:
    """Start a program in a group of its own, wait for it, end what it left behind; its verdict."""
    with contextlib.ExitStack() as held:
        try:
            log = held.enter_context(Path(message["log"]).open("ab"))
        except OSError as error:
            return {"verdict": "released", "error": f"its log could not be opened: {error}"}
        try:
            locks = [held.enter_context(_gpu_lock(path)) for path in message.get("locks", ())]
        except BlockingIOError:
            return {"verdict": "released", "error": _GPU_TAKEN}
        try:
            child = _start(message, log, locks)
        except OSError as error:
            verdict = "released" if is_passing(error) else "failed"
            return {"verdict": verdict, "error": f"{message['argv'][0]}: {error.strerror}", "status": 127}
        before = oom_kills()
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


def _start(message: Message, log: BinaryIO, locks: list[int]) -> subprocess.Popen[bytes]:
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
    descriptor = _take_lock(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take_lock(path: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


# --- what an attempt left -------------------------------------------------------------------------------------------


def collect(folder: Path) -> Message:
    """Sync and hash all that an attempt left but its log, so that its record may say what is there.

    Returns:
        `files`: [path below the folder, bytes, sha256], sorted; nothing when there is no folder.
    """
    if not folder.is_dir():
        return {}
    files: list[tuple[str, int, str]] = []
    for path in sorted(_walk(folder)):
        if path.name in UNLISTED and path.parent == folder:
            continue
        descriptor = os.open(path, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            os.fsync(descriptor)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            files.append((path.relative_to(folder).as_posix(), file.tell(), digest))
    for parent in {folder, folder.parent, *((folder / name).parent for name, *_ in files)}:
        _sync(parent)
    return {"files": files}


def collect_patiently(folder: Path) -> Message:
    """`collect`, again and again while the folder cannot be written: what was computed is not thrown away for that."""
    pause = 1.0
    while True:
        try:
            return collect(folder)
        except PermissionError as error:  # no waiting mends that
            return {"verdict": "failed", "error": f"{error.filename}: what the attempt left cannot be read"}
        except OSError as error:
            sys.stderr.write(f"result not on disk yet: {error}; next try in {pause:.0f} s\n")
            threading.Event().wait(pause)
            pause = min(2 * pause, 30.0)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, onerror=_refuse):  # it would leave out what it cannot list
        for name in names:
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _refuse(error: OSError) -> None:
    raise error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
