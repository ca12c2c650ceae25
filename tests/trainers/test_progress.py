"""The progress file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.trainers.small_disk import grow, small_disk
from trainers.progress import Progress


def test_it_says_how_far_the_run_is(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    progress = Progress(path, epochs=4, done=1.0, peak_memory_bytes=lambda: 5)
    progress.seen(128, 1.5)
    report = json.loads(path.read_text())
    assert (report["epoch"], report["epochs"], report["fraction"]) == (1, 4, 0.375)
    assert report["eta_seconds"] > 0
    assert report["images_per_second"] > 0
    assert report["peak_memory_bytes"] == 5


def test_it_is_not_rewritten_at_each_step_but_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    progress = Progress(path, epochs=1, done=0.0)
    progress.seen(1, 0.25)
    progress.seen(1, 0.5)
    assert json.loads(path.read_text())["fraction"] == 0.25
    progress.seen(1, 1.0)
    assert json.loads(path.read_text())["fraction"] == 1.0
    assert [file.name for file in tmp_path.iterdir()] == ["progress.json"]


def test_nobody_watching_is_fine() -> None:
    Progress(None, epochs=1, done=0.0).seen(1, 1.0)


def test_before_a_step_there_is_no_estimate() -> None:
    assert Progress(None, epochs=3, done=2.0).eta_seconds(2.0) is None


def test_what_the_run_waits_for_is_said_until_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    progress = Progress(path, epochs=2, done=1.0)
    progress.waits("waiting for room")
    assert json.loads(path.read_text()) == {"epoch": 1, "epochs": 2, "fraction": 0.5, "waiting": "waiting for room"}
    progress.seen(1, 1.5)
    assert json.loads(path.read_text())["waiting"] is None


def test_a_full_disk_does_not_end_the_run_that_reports_to_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with small_disk(tmp_path / "disk", "nr_inodes=1") as disk:
        progress = Progress(disk / "progress.json", epochs=1, done=0.0)
        progress.seen(1, 1.0)
        progress.seen(1, 1.0)
        assert caplog.text.count("progress could not be written") == 1
        grow(disk)
        progress.seen(1, 1.0)
        assert json.loads((disk / "progress.json").read_text())["fraction"] == 1.0
