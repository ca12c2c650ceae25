"""A process that ends with its parent."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.trainers.attempts import wait_until

WAITER = "import signal, sys; print('ready', flush=True); signal.pause()"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_it_is_killed_when_its_parent_is() -> None:
    program = ["-c", f"from trainers.lifeline import die_with_parent; die_with_parent(); {WAITER}"]
    parent_program = textwrap.dedent(f"""
        import subprocess, sys, signal
        child = subprocess.Popen([sys.executable, *{program!r}], stdout=subprocess.PIPE)
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
    program = f"from trainers.lifeline import die_with_parent; die_with_parent({gone.pid}); print('started')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
