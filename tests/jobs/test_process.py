from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.process import boot_id, claimer, is_gone, pid_namespace, start_ticks
from jobs.records import Claimer

IS_ROOT = os.geteuid() == 0
ME = claimer("me", 90.0)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def as_claimer(pid: int) -> Claimer:
    start = start_ticks(pid)
    assert start is not None
    return replace(ME, sid="child", pid=pid, start=start)


def kill_unreaped(process: subprocess.Popen[bytes]) -> None:
    """End a process and wait for that, yet leave it a zombie."""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_a_claimer_is_this_very_process() -> None:
    assert (ME.pid, ME.boot, ME.pidns) == (os.getpid(), boot_id(), pid_namespace())
    assert ME.start == start_ticks(os.getpid()) != 0
    assert not is_gone(ME, ME)


def test_a_process_lives_until_it_is_killed_reaped_or_not(child: subprocess.Popen[bytes]) -> None:
    owner = as_claimer(child.pid)
    assert not is_gone(owner, ME)
    kill_unreaped(child)
    assert start_ticks(child.pid) is None
    assert is_gone(owner, ME)
    child.wait()
    assert is_gone(owner, ME)


def test_a_stopped_process_lives(child: subprocess.Popen[bytes]) -> None:
    owner = as_claimer(child.pid)
    child.send_signal(signal.SIGSTOP)
    assert not is_gone(owner, ME)


def test_another_process_with_the_same_number_is_not_the_owner(child: subprocess.Popen[bytes]) -> None:
    owner = as_claimer(child.pid)
    assert is_gone(replace(owner, start=owner.start - 1), ME)


@pytest.mark.parametrize("other", [{"host": "other"}, {"boot": "other"}, {"pidns": "pid:[1]"}])
def test_nothing_is_known_of_a_process_elsewhere(child: subprocess.Popen[bytes], other: dict[str, str]) -> None:
    owner = as_claimer(child.pid)
    child.kill()
    child.wait()
    assert is_gone(owner, ME)
    assert not is_gone(replace(owner, **other), ME)  # type: ignore[arg-type]


def test_a_name_with_blanks_and_brackets_does_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / "a) Z (b"
    shutil.copy(shutil.which("sleep") or "", program)
    process = subprocess.Popen([program, "600"])
    try:
        assert not is_gone(as_claimer(process.pid), ME)
    finally:
        process.kill()
        process.wait()


def in_namespace(unshare: list[str], before: str, code: str) -> str:
    """What Python prints in namespaces of its own; skips where there are none to be had."""
    command = ["unshare", *unshare, "sh", "-c", f'{before} {sys.executable} -c "$0"']
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    for text in ("import jobs", code):
        done = subprocess.run([*command, text], capture_output=True, text=True, env=environment)
        if text != code and done.returncode:
            pytest.skip(f"no such namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not IS_ROOT or not shutil.which("unshare"), reason="needs root and unshare")
def test_in_a_pid_namespace_without_its_own_proc_nothing_is_known() -> None:
    code = """if True:
        from dataclasses import replace
        from jobs.process import claimer, is_gone
        me = claimer("me", 90)
        print(me.pid, is_gone(replace(me, pid=4_000_000), me))"""
    assert in_namespace(["--pid", "--fork", "--kill-child"], "exec", code) == "1 False"


@pytest.mark.skipif(not IS_ROOT or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_a_process_that_proc_hides_is_not_gone() -> None:
    """Another user's worker on the same host, where /proc is mounted with hidepid."""
    code = f"""if True:
        from dataclasses import replace
        from pathlib import Path
        from jobs.process import claimer, is_gone
        me = claimer("me", 90)
        other = replace(me, pid={os.getpid()}, start=1)
        print(Path("/proc/{os.getpid()}").exists(), is_gone(other, me), is_gone(replace(other, pid=4_000_000), me))"""
    nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    before = f"mount -t proc -o hidepid=2 proc /proc && exec {nobody}"
    assert in_namespace(["--mount"], before, code) == "False False True"
