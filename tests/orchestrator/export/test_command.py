"""`orch export` as a user types it; beside the other tests of exports, whose finished experiment it needs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.orchestrator.export.finished import EXPERIMENT, jobs_of
from tests.orchestrator.scene import ORCH, Scene, error_line


def test_it_writes_below_the_report_unless_told_and_says_where(finished: Scene) -> None:
    said, _ = finished.orch("export", EXPERIMENT)
    folder = finished.root / EXPERIMENT / "report" / "calibration-csv"
    assert said == f"wrote 12 files to {folder}\n"
    assert (folder / "digits_methods_log.csv").is_file()


def test_it_writes_where_it_is_told(finished: Scene, tmp_path: Path) -> None:
    said, noted = finished.orch("export", "--layout", "calibration-csv", EXPERIMENT, "--out", str(tmp_path / "a" / "b"))
    assert said == f"wrote 12 files to {tmp_path / 'a' / 'b'}\n"
    assert noted == ""


def test_a_mistake_is_one_line_with_exit_code_2(finished: Scene) -> None:
    for words, said in (
        (("export", "smal"), "no experiment 'smal'; use small"),
        (("export", EXPERIMENT, "--layout", "csv"), "'csv' is not one of 'calibration-csv', 'figures'"),
        (("export",), "Missing argument 'EXPERIMENT'"),
        (("export", EXPERIMENT, "--job", "zzz"), "begin with 'zzz'"),
    ):
        assert said in error_line(finished.orch(*words, expect=2)[1])


def test_help_has_an_example_and_every_layout(finished: Scene) -> None:
    said, _ = finished.orch("export", "--help")
    assert "Example:" in said
    assert "calibration-csv: " in said
    assert "figures: " in said


def completed(scene: Scene, *words: str) -> list[str]:
    asked = {"_ORCH_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("orch", *words)), "COMP_CWORD": str(len(words))}
    run = subprocess.run(
        [ORCH[0], "-c", "from orchestrator.cli import main; main(prog_name='orch')"],
        env=scene.environment(more=asked),
        cwd=scene.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.partition(",")[2] for line in run.stdout.splitlines() if line]


def test_a_shell_completes_experiments_layouts_and_jobs(finished: Scene) -> None:
    assert completed(finished, "export", "sm") == [EXPERIMENT]
    assert completed(finished, "export", "--layout", "fi") == ["figures"]
    job = jobs_of(finished)["adafocal", 0].id
    assert completed(finished, "export", EXPERIMENT, "--job", job[:-3]) == [job]


def test_a_report_of_real_runs_has_the_figures_of_the_grid(finished: Scene) -> None:
    said, _ = finished.orch("report", EXPERIMENT)
    folder = finished.root / EXPERIMENT / "report"
    for name in ("reliability", "confidence", "risk_coverage", "epochs", "adafocal"):
        assert f"  {folder / f'grid_{name}.png'}\n" in said
        assert f"grid_{name}.csv" not in said
        for kind in ("png", "pdf", "csv"):
            assert (folder / f"grid_{name}.{kind}").stat().st_size > 0
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "Side by side" in page
    assert "grid_reliability.pdf" in page
