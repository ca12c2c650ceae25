"""The lab of guests: what it says where something is missing, and that nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator.waiting import wait_until
from tests.soak.nfs_lab import KERNEL, Lab, missing

_LAB = """
import sys, time
from pathlib import Path
from tests.soak.nfs_lab import Lab
with Lab(Path(sys.argv[1]), guests=1) as lab:
    lab.guests[0].boot("echo up and running; sleep 1000")
    lab.guests[0].wait_for("up and running", 60)
    print("ready", flush=True)
    time.sleep(1000)
"""
needs_a_lab = pytest.mark.skipif(bool(missing()), reason=f"missing: {', '.join(missing())}")


def test_where_nothing_is_installed_it_names_what_is_missing_and_does_not_pass(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.soak.nfs", "--folder", str(tmp_path / "new")],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3
    assert f"missing: {KERNEL} (Debian package user-mode-linux)" in run.stdout.splitlines()
    assert "missing: mount.nfs (Debian package nfs-common)" in run.stdout.splitlines()
    assert run.stderr == "soak-nfs did nothing: install what is missing and run it again\n"
    assert not (tmp_path / "new").exists()


@needs_a_lab
def test_a_guest_of_a_lab_is_frozen_goes_on_and_loses_its_power(tmp_path: Path) -> None:
    with Lab(tmp_path, guests=1) as lab:
        guest = lab.guests[0]
        guest.boot("hostname; for i in $(seq 1000); do echo turn $i; sleep 0.1; done")
        assert guest.wait_for("turn 3\n", 60).startswith("h1\n")
        guest.freeze()
        wait_until(lambda: _state(_kernels(tmp_path)[0]) == "T", "its kernel is stopped")
        turns = guest.said().count("turn")
        guest.thaw()
        wait_until(lambda: guest.said().count("turn") > turns, "it goes on")
        guest.power_off()
        assert not guest.is_on
        wait_until(lambda: not _kernels(tmp_path), "none of its processes is left")


@needs_a_lab
def test_nothing_outlives_a_lab_whose_program_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _LAB, str(tmp_path)], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        assert _kernels(tmp_path)
        program.send_signal(signal.SIGKILL)
    wait_until(lambda: not _kernels(tmp_path), "no guest is left")


def _kernels(folder: Path) -> list[int]:
    """Processes of guests whose scripts lie in that folder, oldest first."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == KERNEL.encode() and any(word.startswith(f"JOB={folder}/".encode()) for word in words):
            found.append(int(entry.name))
    return sorted(found)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
