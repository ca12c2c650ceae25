"""A process that ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.trainers.attempts import wait_until

WAITER = "import signal, sys; print('ready', flush=True); signal.pause()"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", ["call", "command"])
def test_it_is_killed_when_its_parent_is(how: str) -> None:
    program = {
        "call": ["-c", f"from trainers.lifeline import die_with_parent; die_with_parent(); {WAITER}"],
        "command": ["-m", "trainers.lifeline", "PARENT", sys.executable, "-c", WAITER],
    }[how]
    parent_program = textwrap.dedent(f"""
        import os, subprocess, sys, signal
        arguments = [str(os.getpid()) if a == 'PARENT' else a for a in {program!r}]
        child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE)
        child.stdout.readline()
        print(child.pid, flush=True)
        signal.pause()
    """)
    parent = subprocess.Popen([sys.executable, "-c", parent_program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not is_running(child), "the child's end")
    parent.stdout.close()


def test_it_does_not_start_when_its_parent_has_gone() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    program = [sys.executable, "-m", "trainers.lifeline", str(gone.pid), sys.executable, "-c", "print('started')"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""


def test_a_rank_does_not_take_its_launchers_parent_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainers.lifeline import parent_from_environment

    monkeypatch.setenv("ORCH_PARENT_PID", str(os.getppid()))
    assert parent_from_environment() == os.getppid()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert parent_from_environment() is None
