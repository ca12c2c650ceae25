"""`crash_test`: in a corner of the user's folder, with nothing left of it afterwards, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.errors import HostUnfitError
from orchestrator.faults.crash import crash_test
from orchestrator.faults.places import MARK
from tests.orchestrator.waiting import wait_until

CRASH_TEST = """
import sys
from pathlib import Path
from orchestrator.faults.crash import crash_test
crash_test(Path(sys.argv[1]), jobs=500, say=lambda line: print(line, flush=True))
"""


def processes_of(folder: Path) -> list[int]:
    """Living workers, and what came of them, that were started for a test in that folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes() if entry.name.isdecimal() else b""
        except OSError:
            continue
        if f"{MARK}={folder}".encode() in environment:
            found.append(int(entry.name))
    return found


def test_a_few_jobs_survive_kills_pauses_and_exceptions_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    said: list[str] = []
    toll = crash_test(tmp_path, jobs=12, seed=3, say=said.append)
    assert list(toll.violations()) == []
    assert set(toll.faults) == {"kill", "pause", "exception"}
    assert all(counts.total() > 0 for counts in toll.faults.values())
    assert (toll.jobs, toll.audit.states["done"], toll.seed) == (12, 12, 3)
    assert said[0].startswith("crash test: ")
    assert [path.name for path in tmp_path.iterdir() if path.name != ".orch"] == ["mine"]
    assert list((tmp_path / ".orch").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_however_it_is_ended_no_process_is_left(tmp_path: Path, number: signal.Signals) -> None:
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    argv = [sys.executable, "-c", CRASH_TEST, str(root)]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: list(root.glob(".orch/crash-test-*/trial/log/*/*.end")), "jobs are being done")
        assert processes_of(scratch)
        process.send_signal(number)
        assert process.wait(60) != 0
    wait_until(lambda: not processes_of(scratch), "nothing of it is left")
    if number is signal.SIGINT:
        assert list((root / ".orch").iterdir()) == []
        assert list(scratch.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(HostUnfitError, match="file"):
        crash_test(tmp_path / "file", jobs=12, say=lambda _: None)
