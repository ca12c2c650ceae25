"""What the jobs of these tests do. Copied beside each test's root, so that workers find it in their own folder."""

from __future__ import annotations

# ruff: noqa: T201 - functions that print are what is tested
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_FOREVER_SECONDS = 200.0


def append(i: int = 0) -> dict[str, int]:
    """Add one line, whole, to `lines.txt`."""
    descriptor = os.open(HERE / "lines.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{i}\n".encode())
    os.close(descriptor)
    return {"i": i}


def meet(i: int, parties: int) -> dict[str, int]:
    """Append, and wait until that many processes have done so."""
    (HERE / f"party-{os.getpid()}").touch()
    _wait_for(lambda: len(list(HERE.glob("party-*"))) >= parties)
    return append(i)


def hang_once(i: int) -> dict[str, int]:
    """Append; whoever calls it first then hangs, with a process of its own, until `go` is there."""
    append(i)
    if _is_first("first-call"):
        subprocess.Popen(["sleep", str(_FOREVER_SECONDS)])
        _write("call-hangs", str(os.getpid()))
        _wait_for((HERE / "go").exists)
        _write("call-is-over", "")
    return {"i": i}


def hold(i: int) -> None:
    """Append, and wait for a file of one's own."""
    append(i)
    _wait_for((HERE / f"go-{i}").exists)


def exit_with(code: int) -> None:
    print("on the way out")
    sys.exit(code)


def kill_itself() -> None:
    print("the last words")
    os.kill(os.getpid(), signal.SIGKILL)


def kill_itself_with_heirs() -> None:
    """Leave forked processes behind, which hold all that this one had open."""
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(_FOREVER_SECONDS,)).start()
    os.kill(os.getpid(), signal.SIGKILL)


def be_killed_once(i: int) -> int:
    """Tell one's process, and wait for `go`."""
    _write(f"runner-{i}", str(os.getpid()))
    _wait_for((HERE / "go").exists)
    return i


def hold_the_interpreter() -> None:
    """For hours, so that no other thread of this process runs; with a process of its own."""
    subprocess.Popen(["sleep", str(_FOREVER_SECONDS)])
    _write("holds", "")
    re.match(r"(a+)+$", "a" * 60 + "b")


def fail(text: str, i: int = 0) -> None:
    raise RuntimeError(text)


def give(what: str) -> Any:
    """A value of each sort that a function may return."""
    values = {"int": 7, "dict": {"loss": 0.5}, "none": None, "set": {1, 2}, "nan": float("nan")}
    return values[what]


def tell(text: str) -> str:
    if text:
        print(text)
    return text


def surroundings() -> dict[str, str]:
    return {name: os.environ[name] for name in ("ORCH_FOLDER", "ORCH_RESUME")} | {"cwd": str(Path.cwd())}


def write_file(text: str) -> dict[str, bool]:
    folder = Path(os.environ["ORCH_FOLDER"])
    was_there = folder.exists()
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "weights.bin").write_text(text)
    return {"was_there": was_there}


def resume() -> dict[str, str]:
    """The first attempt leaves a file and asks to be tried again; the next one reads it."""
    earlier = os.environ["ORCH_RESUME"]
    if not earlier:
        folder = Path(os.environ["ORCH_FOLDER"])
        folder.mkdir(parents=True)
        (folder / "step").write_text("41")
        sys.exit(75)
    return {"step": (Path(earlier) / "step").read_text(), "from": earlier}


def modules() -> list[str]:
    """All that is imported where functions are called."""
    return sorted(sys.modules)


def sleep_on() -> None:
    """Longer than any time limit, deaf to ordinary exceptions."""
    until = time.monotonic() + _FOREVER_SECONDS
    _write("sleeps", "")
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except Exception:
            continue


def _is_first(name: str) -> bool:
    try:
        (HERE / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _write(name: str, text: str) -> None:
    """A file that is there only when it is whole."""
    (HERE / f"{name}.new").write_text(text)
    (HERE / f"{name}.new").rename(HERE / name)


def _wait_for(condition: Any) -> None:
    until = time.monotonic() + _FOREVER_SECONDS
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)


def kill_the_worker() -> None:
    """End whoever started this runner."""
    _write(f"kills-{os.getppid()}", "")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(_FOREVER_SECONDS)
