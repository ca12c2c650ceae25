from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestrator.doctor.appends import LINES, append_lines, count_torn


def test_two_processes_of_one_host_tear_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    code = (
        "import sys, pathlib, orchestrator.doctor.appends as a; print(a.append_lines(pathlib.Path(sys.argv[1]), 'b'))"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    wrote = append_lines(path, "a")
    theirs = int(other.communicate()[0])
    assert 0 < wrote <= LINES
    torn = count_torn(path.read_bytes(), {"a": wrote, "b": theirs})
    assert (torn.appended, torn.missing, torn.nul_bytes) == (wrote + theirs, 0, 0)


def test_lines_that_were_overwritten_or_cut_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    wrote = append_lines(path, "a")
    data = path.read_bytes()
    assert count_torn(data[64:], {"a": wrote}).missing == 1
    torn = count_torn(data[:10] + b"\0" * 5 + data[15:], {"a": wrote})
    assert (torn.missing, torn.nul_bytes) == (1, 5)
    assert count_torn(data, {"a": wrote, "b": 3}).missing == 3
