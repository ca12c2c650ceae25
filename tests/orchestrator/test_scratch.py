"""What killed workers left on their host goes; what a living one uses stays."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from orchestrator.scratch import open_scratch
from tests.orchestrator.scene import WORKER, Scene, grid


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def age(path: Path) -> None:
    os.utime(path, (1.0, 1.0))


def test_a_folder_that_nobody_holds_goes_and_one_in_use_stays(parent: Path) -> None:
    left, fresh = parent / "orch-worker-dead", parent / "orch-worker-starting"
    for path in (left, fresh):
        path.mkdir()
        (path / "something").touch()
    other = parent / "orch-work"
    other.mkdir()
    living = open_scratch()
    for path in (left, living.path, other):
        age(path)
    mine = open_scratch()
    assert set(parent.iterdir()) == {fresh, other, living.path, mine.path}
    mine.remove()
    assert not mine.path.exists()


def test_a_name_that_leads_elsewhere_is_not_followed(parent: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").touch()
    (parent / "orch-worker-link").symlink_to(elsewhere)
    age(elsewhere)
    open_scratch()
    assert (elsewhere / "precious").exists()


def test_the_next_worker_sweeps_what_a_killed_one_left(scene: Scene) -> None:
    scene.plan("one", grid(kind="call", target="deeds:hang_once", params__i=[0]))
    victim = scene.start(*WORKER, "--slots", "1")
    scene.wait_for("call-hangs")
    victim.process.kill()
    victim.wait_until_nothing_is_left()
    (left,) = (scene.folder / "tmp").glob("orch-worker-*")
    age(left)
    scene.orch(*WORKER)
    assert list((scene.folder / "tmp").iterdir()) == []
