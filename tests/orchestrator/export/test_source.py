from __future__ import annotations

from pathlib import Path

from jobs import layout
from jobs.records import End, EndRecord
from orchestrator.export.source import read_source
from tests.orchestrator.report.roots import SESSION, end, finish
from tests.orchestrator.scene import Scene, grid

GRID = grid(loss=["ce", "focal", "bsce"], dataset="digits", backbone="simple_cnn")


def test_a_failed_job_has_its_error_and_no_more_than_the_end_of_a_long_log(scene: Scene) -> None:
    scene.plan("x", GRID)
    done, failed, waiting = (job.id for job in scene.jobs("x"))
    finish(scene.root, "x", done, {"metrics": {"test_acc": 0.5}})
    folder = scene.root / layout.attempt_folder("x", failed, 1, SESSION)
    folder.mkdir(parents=True)
    (folder / layout.LOG_FILE).write_text("".join(f"line {number}\n" for number in range(20_000)) + "Traceback\n")
    end(scene.root, "x", failed, EndRecord(End.NAN, {"sid": SESSION, "error": "boom"}))
    source = read_source(scene.root, "x")
    assert [found.job.id for found in source.done] == [done]
    (found,) = source.failed
    assert found.text.startswith("boom\n\nline ")
    assert found.text.endswith("line 19999\nTraceback\n")
    assert len(found.text) < 70_000
    assert [job.id for job in source.jobs] == [done, failed, waiting]
    assert source.notes == ["1 of 3 jobs are not done yet"]


def test_a_failed_job_without_a_log_has_its_error(scene: Scene) -> None:
    scene.plan("x", GRID)
    done, failed, cancelled = (job.id for job in scene.jobs("x"))
    finish(scene.root, "x", done, {})
    end(scene.root, "x", failed, EndRecord(End.NAN, {"sid": SESSION, "error": "boom"}))
    end(scene.root, "x", cancelled, EndRecord(End.CANCELLED, {"sid": SESSION}))
    source = read_source(scene.root, "x")
    assert source.failed[0].text == "boom\n"
    assert [job.id for job in source.jobs] == [done, failed]
    assert source.notes == []
    assert (source.done[0].metrics, source.done[0].temperature, source.done[0].folder) == ({}, None, None)


def test_nothing_is_written_by_reading(scene: Scene) -> None:
    scene.plan("x", GRID)
    finish(scene.root, "x", scene.jobs("x")[0].id, {})
    before = _files(scene.root)
    read_source(scene.root, "x")
    assert _files(scene.root) == before


def _files(root: Path) -> set[Path]:
    return set(root.rglob("*"))
