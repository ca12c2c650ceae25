from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.doctor.corner import Presence, corner, meeting_folder, standing


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_a_root_that_was_not_there_is_not_there_afterwards(tmp_path: Path) -> None:
    with corner(tmp_path / "a" / "b", 1.0) as mine:
        (mine.folder / "log" / "probe").write_bytes(b"x")
        assert mine.folder.is_dir()
    assert everything(tmp_path) == set()


def test_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / ".orch" / "sessions").mkdir(parents=True)
    (tmp_path / "experiment").mkdir()
    before = everything(tmp_path)
    with corner(tmp_path, 1.0):
        pass
    assert everything(tmp_path) == before


def test_work_that_begins_meanwhile_keeps_its_root(tmp_path: Path) -> None:
    root = tmp_path / "new"
    with corner(root, 1.0):
        (root / "experiment").mkdir()
    assert everything(tmp_path) == {root, root / "experiment"}


def test_a_probe_that_raises_leaves_nothing_either(tmp_path: Path) -> None:
    def probe() -> None:
        with corner(tmp_path / "new", 1.0) as mine:
            (mine.folder / "tmp" / "probe").write_bytes(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe()
    assert everything(tmp_path) == set()


def test_a_doctor_sees_those_of_other_hosts_only(tmp_path: Path) -> None:
    with corner(tmp_path, 1.0) as mine, corner(tmp_path, 0.0) as beside:
        mine.announce()
        beside.announce()
        assert mine.others() == []
        far = Presence("f" * 16, "far", "another boot")
        (meeting_folder(tmp_path) / f"{far.token}.here").write_text(
            f'{{"token": "{far.token}", "host": "far", "boot": "another boot"}}'
        )
        (meeting_folder(tmp_path) / "torn.here").write_text('{"tok')
        assert mine.others() == [far]


def test_what_a_killed_doctor_left_is_swept_an_hour_later(tmp_path: Path) -> None:
    meeting = meeting_folder(tmp_path)
    for name, seconds in (("old", 4000), ("new", 3000)):
        (meeting / name / "tmp").mkdir(parents=True)
        (meeting / f"{name}.here").touch()
        for path in (meeting / name, meeting / f"{name}.here"):
            now = path.stat().st_mtime
            os.utime(path, (now - seconds, now - seconds))
    with corner(tmp_path, 0.0):
        pass
    assert {path.name for path in meeting.iterdir()} == {"new", "new.here"}


def test_folders_made_to_stand_on_go_again_unless_they_are_used(tmp_path: Path) -> None:
    with standing(tmp_path / "a" / ".orch"):
        assert (tmp_path / "a" / ".orch").is_dir()
    assert everything(tmp_path) == set()
    with standing(tmp_path / "a" / ".orch"):
        (tmp_path / "a" / "kept").touch()
    assert everything(tmp_path) == {tmp_path / "a", tmp_path / "a" / "kept"}
