"""A log that cannot be written does not end who writes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainers.attempts import wait_until
from tests.trainers.small_disk import grow, small_disk

PROGRAM = """
import pathlib, sys
from trainers.printing import survive_a_lost_log
survive_a_lost_log()
print("first")
print("x" * 100_000, file=sys.stderr)
print("lost")
pathlib.Path(sys.argv[1]).touch()
sys.stdin.readline()
print("last")
"""


@pytest.mark.parametrize("is_mended", [False, True])
def test_what_finds_no_room_is_lost_and_counted(tmp_path: Path, is_mended: bool) -> None:
    ready = tmp_path / "ready"
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        with (disk / "log.txt").open("ab") as log:
            argv = [sys.executable, "-c", PROGRAM, str(ready)]
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        wait_until(ready.exists, "a full log")
        if is_mended:
            grow(disk)
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
        text = (disk / "log.txt").read_text()
        room = 64 * 1024
    assert text.startswith("first\nxxx")
    lost = len("first\n") + 100_001 + len("lost\n") - room
    assert text[room:] == (f"[{lost} bytes of this log were lost]\nlast\n" if is_mended else "")


def test_a_reader_that_is_gone_is_still_an_error() -> None:
    program = "from trainers.printing import survive_a_lost_log as s; s(); input(); print(1); print(2)"
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate("\n", timeout=60)
    assert process.returncode != 0
    assert "BrokenPipeError" in errors
