"""The progress file."""

from __future__ import annotations

import json
from pathlib import Path

from trainers.progress import Progress


def test_it_says_how_far_the_run_is(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    progress = Progress(path, epochs=4, done=1.0)
    progress.seen(128, 1.5, None)
    report = json.loads(path.read_text())
    assert (report["epoch"], report["epochs"], report["fraction"]) == (1, 4, 0.375)
    assert report["eta_seconds"] > 0
    assert report["images_per_second"] > 0
    assert report["peak_memory_bytes"] is None


def test_it_is_not_rewritten_at_each_step_but_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    progress = Progress(path, epochs=1, done=0.0)
    progress.seen(1, 0.25, 5)
    progress.seen(1, 0.5, 5)
    assert json.loads(path.read_text())["fraction"] == 0.25
    progress.seen(1, 1.0, 5)
    assert json.loads(path.read_text())["fraction"] == 1.0
    assert [file.name for file in tmp_path.iterdir()] == ["progress.json"]


def test_nobody_watching_is_fine() -> None:
    Progress(None, epochs=1, done=0.0).seen(1, 1.0, None)


def test_before_a_step_there_is_no_estimate() -> None:
    assert Progress(None, epochs=3, done=2.0).eta_seconds(2.0) is None
