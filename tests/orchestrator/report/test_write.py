from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs import layout
from jobs.errors import HostUnfitError, InputError
from jobs.records import End, EndRecord
from orchestrator.report import write_report
from orchestrator.report.write import put_report, render_report
from tests.orchestrator.report.builders import two_losses
from tests.orchestrator.report.roots import SESSION, call_spec, end, fail, finish, plan_jobs

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


def test_a_report_of_a_root_has_every_file_and_names_what_failed(tmp_path: Path) -> None:
    jobs = [call_spec(f"{loss}-{seed}", loss=loss, seed=seed) for loss in ("ce", "bsce") for seed in (0, 1)]
    plan_jobs(tmp_path, "digits", jobs)
    folder = layout.attempt_folder("digits", "ce-0", 1, SESSION)
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "reliability.png").write_bytes(PNG)
    finish(tmp_path, "digits", "ce-0", {"metrics": {"test_acc": 0.4, "test_ece": 0.1}}, folder)
    finish(tmp_path, "digits", "ce-1", {"metrics": {"test_acc": 0.6, "test_ece": 0.3}})
    finish(tmp_path, "digits", "bsce-0", {"metrics": {"test_acc": 0.7, "test_ece": 0.1}})
    fail(tmp_path, "digits", "bsce-1", "the loss is not a number")

    files = write_report(tmp_path, "digits")

    assert files.folder == tmp_path / "digits" / "report"
    assert {path.name for path in files.figures} == {
        f"bars_{name}.{kind}" for name in ("accuracy", "ece") for kind in ("png", "pdf")
    }
    assert sorted(path.name for path in files.paths) == sorted(path.name for path in files.folder.iterdir())
    page = files.page.read_text(encoding="utf-8")
    assert "failed: the loss is not a number" in page
    assert "Reliability diagrams" in page
    rows = list(csv.DictReader(io.StringIO(files.summary_csv.read_text(encoding="utf-8"))))
    assert [(row["loss"], row["n"], row["planned"]) for row in rows] == [("ce", "2", "2"), ("bsce", "1", "2")]
    assert float(rows[0]["test_acc_mean"]) == 0.5
    assert len(files.runs_csv.read_text(encoding="utf-8").splitlines()) == 4
    assert "1 of 2" in files.summary_md.read_text(encoding="utf-8")
    assert r"\toprule" in files.summary_tex.read_text(encoding="utf-8")


@pytest.mark.parametrize("result", [{"value": 3}, {"value": "text"}, {"value": None}, {}, {"a": {"b": 1.5}, "c": [1]}])
def test_any_result_of_a_call_can_be_reported(tmp_path: Path, result: dict[str, object]) -> None:
    plan_jobs(tmp_path, "calls", [call_spec("job-0", x=1)])
    finish(tmp_path, "calls", "job-0", result)
    assert write_report(tmp_path, "calls").page.stat().st_size > 0


def test_a_cancelled_job_is_not_missing(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "x", [call_spec("job-0", x=0), call_spec("job-1", x=1)])
    finish(tmp_path, "x", "job-0", {"value": 3})
    end(tmp_path, "x", "job-1", EndRecord(End.CANCELLED, {}))
    page = write_report(tmp_path, "x").page.read_text(encoding="utf-8")
    assert "job-1" not in page
    assert "<h2>Missing</h2>" not in page


def test_nothing_done_is_one_line_and_nothing_written(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "x", [call_spec("job-0", seed=0), call_spec("job-1", seed=1)])
    with pytest.raises(InputError, match="none of the 2 jobs of x is done") as caught:
        write_report(tmp_path, "x")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "x" / "report").exists()


def test_an_unknown_experiment_creates_no_folder(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "x", [call_spec("job-0", seed=0)])
    with pytest.raises(InputError, match="no experiment"):
        write_report(tmp_path, "y")
    assert not (tmp_path / "y").exists()


def test_a_second_report_replaces_the_first_and_its_charts(tmp_path: Path) -> None:
    files = render_report(two_losses(), datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    put_report(tmp_path, {**files, "bars_old.png": b"old"})
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    put_report(tmp_path, files)
    assert {path.name for path in tmp_path.iterdir()} == {*files, "mine.txt"}
    assert b"Report of 2026-01-02 03:04 UTC" in files["index.html"]


def test_half_a_surrogate_pair_in_a_name_can_be_written() -> None:
    results = two_losses()
    hostile = type(results)("a\ud800b", results.runs, results.cells)
    assert b"a?b" in render_report(hostile, datetime(2026, 1, 2, tzinfo=UTC))["index.html"]


def test_a_folder_that_cannot_be_written_is_an_unfit_host(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file", encoding="utf-8")
    with pytest.raises(HostUnfitError, match="cannot write the report"):
        put_report(tmp_path / "report", {"index.html": b""})


def test_who_is_reading_a_report_goes_on_reading_that_report(tmp_path: Path) -> None:
    put_report(tmp_path, {"index.html": b"old"})
    with (tmp_path / "index.html").open("rb") as reader:
        put_report(tmp_path, {"index.html": b"new"})
        assert reader.read() == b"old"


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    put_report(tmp_path, {"index.html": b"old"})
    (tmp_path / "summary.md").mkdir()
    with pytest.raises(HostUnfitError):
        put_report(tmp_path, {"summary.md": b"new", "index.html": b"new"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "summary.md"]
    assert (tmp_path / "index.html").read_bytes() == b"old"
