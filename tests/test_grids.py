"""The grids to start from are grids, and what they say of themselves holds."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORCH = str(Path(sys.executable).with_name("orch"))
STUDIES = sorted(ROOT.glob("grids/calibration-cifar*.yaml"))


def planned(root: Path, *words: str) -> str:
    said = subprocess.run([ORCH, "--root", str(root), *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return said.stdout


@pytest.mark.parametrize("grid", STUDIES, ids=lambda path: path.stem)
def test_a_calibration_study_is_all_losses_on_four_networks(tmp_path: Path, grid: Path) -> None:
    lines = planned(tmp_path, "plan", str(grid), "--dry-run").splitlines()
    assert lines[-1] == f"would plan {grid.stem}: 52 new, 0 unchanged"
    assert len({re.sub(r".* loss=(\w+).*", r"\1", line) for line in lines[:-1]}) == 13
    assert sum("shortcut=B" in line for line in lines) == 13


@pytest.mark.parametrize("grid", STUDIES, ids=lambda path: path.stem)
def test_its_smoke_run_is_planned_as_written(tmp_path: Path, grid: Path) -> None:
    text = grid.read_text()
    command = re.search(r"^#   orch (plan (?:.*\\\n#\s+)*.*)$", text, re.MULTILINE)
    assert command is not None
    words = shlex.split(command[1].replace("\\\n#", " "))
    assert planned(tmp_path, *words).strip() == "planned smoke: 13 new, 0 unchanged"
