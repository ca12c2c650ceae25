"""What the README shows is what happens: its grid, its error, its Python, and the four commands end to end."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
QUICKSTART = PROJECT / "grids" / "quickstart.yaml"


def block(language: str) -> str:
    """The first code block of a language."""
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def orch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORCH_")}
    environment["PYTHONPATH"] = str(PROJECT)
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def planned(folder: Path, grid: Path, *arguments: str) -> list[str]:
    printed = orch(folder, "plan", str(grid), "--dry-run", "--json", *arguments)
    assert printed.returncode == 0, printed.stderr
    return sorted(cell["id"] for cell in json.loads(printed.stdout)["cells"])


def test_the_grid_it_shows_is_the_quick_start(tmp_path: Path) -> None:
    shown = tmp_path / "shown.yaml"
    shown.write_text(block("yaml"), encoding="utf-8")
    assert planned(tmp_path, shown) == planned(tmp_path, QUICKSTART)
    assert len(planned(tmp_path, shown)) <= 10


def test_the_mistake_it_shows_is_answered_as_shown(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(block("yaml").replace("focal", "fcal"), encoding="utf-8")
    printed = orch(tmp_path, "plan", "grid.yaml")
    assert printed.returncode == 2
    assert printed.stderr.strip() in README


def test_the_overrides_it_names_are_taken(tmp_path: Path) -> None:
    cells = planned(tmp_path, QUICKSTART, "--set", "seed=0,1", "--set", "train.epochs=2")
    assert len(cells) == 6


def test_the_verbs_it_shows_do_what_they_say(tmp_path: Path) -> None:
    orch(tmp_path, "plan", str(QUICKSTART))
    shown = README[README.index("What was planned can be steered") : README.index("Each shows first")]
    lines = [line.partition("#")[0] for line in shown.splitlines() if line.startswith("    orch ")]
    assert len(lines) == 5
    for line in lines:
        done = orch(tmp_path, *shlex.split(line)[1:], "-y")
        assert done.returncode == 0, line + done.stderr
        print(done.stdout, end="")  # noqa: T201  told where a later assertion fails
    assert json.loads(orch(tmp_path, "status", "--json").stdout)["experiments"][0]["jobs"]["waiting"] == 9


def test_the_files_it_lists_exist() -> None:
    tree = README[README.index("## The tree") : README.index("## To add a loss")]
    folder = ""
    for line in tree.splitlines():
        if top := re.match(r"    (\w+)/ ", line):
            folder = top[1]
            assert (PROJECT / folder).is_dir()
            continue
        for name in re.findall(r"\b([a-z]+(?:\.py|/))(?= |$)", line):
            assert (PROJECT / folder / name).exists(), f"{folder}/{name}"


@pytest.mark.timeout(280)
def test_the_four_commands_lead_from_a_grid_to_a_page(tmp_path: Path) -> None:
    small = ["--set", "train.epochs=1", "--set", "seed=0", "--set", "loss=ce,bsce"]
    assert "2 new" in orch(tmp_path, "plan", str(QUICKSTART), *small).stdout
    worked = orch(tmp_path, "worker", "--gpus", "none", "--slots", "2")
    assert worked.returncode == 0, worked.stdout + worked.stderr
    status = json.loads(orch(tmp_path, "status", "--json").stdout)
    assert status["experiments"][0]["jobs"]["done"] == 2
    told = orch(tmp_path, "report")
    assert told.returncode == 0, told.stderr
    page = tmp_path / "runs" / "quickstart" / "report" / "index.html"
    assert str(page.relative_to(tmp_path)) in told.stdout
    assert "bsce" in page.read_text(encoding="utf-8")
    listed = README[README.index("/result/`:") : README.index("Not only training")]
    names = set(re.findall(r"^    (\w+\.\w+) ", listed, re.MULTILINE))
    for result in (tmp_path / "runs" / "quickstart" / "jobs").glob("*/result"):
        assert names <= {path.name for path in result.iterdir()}
    ran = subprocess.run(
        [sys.executable, "-c", block("python") + "\nassert len(frame) == 2, frame"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
