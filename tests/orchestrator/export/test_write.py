from __future__ import annotations

from pathlib import Path

import pytest

from jobs import layout
from jobs.errors import HostUnfitError, InputError
from orchestrator.export.layouts import LAYOUTS, layout_named
from orchestrator.export.write import Wish, export
from tests.orchestrator.export.finished import EXPERIMENT, jobs_of
from tests.orchestrator.report.roots import call_spec, finish, plan_jobs
from tests.orchestrator.scene import Scene, grid

CSV = "calibration-csv"


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_second_export_writes_the_same_and_leaves_nothing_behind(finished: Scene, tmp_path: Path) -> None:
    first = export(finished.root, EXPERIMENT, Wish(CSV, tmp_path))
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    assert export(finished.root, EXPERIMENT, Wish(CSV, tmp_path)).files == first.files
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    assert len(before) == len(first.files) + 1


def test_a_file_that_no_export_wrote_is_never_touched(finished: Scene, tmp_path: Path) -> None:
    (tmp_path / "digits_methods_log.csv").write_text("years of work")
    with pytest.raises(InputError, match=r"digits_methods_log\.csv is there already.*; give another --out"):
        export(finished.root, EXPERIMENT, Wish(CSV, tmp_path))
    assert (tmp_path / "digits_methods_log.csv").read_text() == "years of work"


def test_what_there_is_no_reason_for_any_more_goes_and_the_rest_stays(finished: Scene, tmp_path: Path) -> None:
    export(finished.root, EXPERIMENT, Wish(CSV, tmp_path))
    (listed,) = tmp_path.glob(".orch-export-*")
    (tmp_path / "error_old.txt").write_text("of a job that is done now")
    (tmp_path / "notes.txt").write_text("mine")
    listed.write_text(listed.read_text().replace("[\n", '[\n"error_old.txt",\n"../outside.txt",\n'))
    (tmp_path.parent / "outside.txt").write_text("not in the folder")
    export(finished.root, EXPERIMENT, Wish(CSV, tmp_path))
    assert "error_old.txt" not in names(tmp_path)
    assert {"notes.txt"} <= names(tmp_path)
    assert (tmp_path.parent / "outside.txt").exists()


def test_one_job_alone_has_its_figures_in_a_folder(finished: Scene, tmp_path: Path) -> None:
    job = jobs_of(finished)["adafocal", 0].id
    told: list[str] = []
    done = export(finished.root, EXPERIMENT, Wish("figures", tmp_path, (job[:-3],)), told.append)
    figures = ("reliability", "confidence", "risk_coverage", "epochs", "adafocal")
    kinds = ("png", "pdf", "csv")
    assert list(done.files) == told
    assert set(told) == {f"digits_simple_cnn_AdaFocal/{name}.{kind}" for name in figures for kind in kinds}
    for name in figures:
        assert (tmp_path / f"digits_simple_cnn_AdaFocal/{name}.png").read_bytes().startswith(b"\x89PNG")
    again = export(finished.root, EXPERIMENT, Wish("figures", tmp_path, (jobs_of(finished)["ce", 5].id,)))
    assert {name.partition("/")[0] for name in again.files} == {"digits_simple_cnn_CE+WD_seed5"}
    assert set(told) <= names(tmp_path)


def test_mistakes_are_told_with_their_remedy(finished: Scene, tmp_path: Path) -> None:
    for wish, wrong in (
        (Wish("calibration-cvs", tmp_path), "unknown layout 'calibration-cvs'; use calibration-csv"),
        (Wish(CSV, tmp_path, ("nope",)), "no training job of small begin with 'nope'; give the id"),
        (Wish(CSV, tmp_path, ("d",)), "5 training jobs of small begin with 'd'; give the id"),
    ):
        with pytest.raises(InputError, match=wrong):
            export(finished.root, EXPERIMENT, wish)
    with pytest.raises(InputError, match="no experiment 'smal'; use small"):
        export(finished.root, "smal", Wish(CSV, tmp_path))
    with pytest.raises(InputError, match="none of the 1 training jobs of small is done"):
        export(finished.root, EXPERIMENT, Wish(CSV, tmp_path, (jobs_of(finished)["bsce", 0].id,)))
    assert names(tmp_path) == set()


def test_nothing_done_and_nothing_to_train_are_told_apart(scene: Scene, tmp_path: Path) -> None:
    scene.plan("fresh", grid(loss=["ce", "focal"], dataset="digits", backbone="simple_cnn"))
    with pytest.raises(InputError, match="none of the 2 training jobs of fresh is done"):
        export(scene.root, "fresh", Wish(CSV))
    plan_jobs(scene.root, "calls", [call_spec("job-0", x=1)])
    finish(scene.root, "calls", "job-0", {"value": 1})
    with pytest.raises(InputError, match="calls has no job of kind train"):
        export(scene.root, "calls", Wish(CSV))
    assert not (scene.root / "fresh" / layout.REPORT).exists()


def test_a_folder_that_cannot_be_made_is_an_unfit_host(finished: Scene, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostUnfitError, match="cannot write the export"):
        export(finished.root, EXPERIMENT, Wish(CSV, tmp_path / "file" / "below"))


def test_every_layout_names_a_function_and_says_what_it_writes() -> None:
    for name, entry in LAYOUTS.items():
        assert entry.about
        assert layout_named(name) is entry
