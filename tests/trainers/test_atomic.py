from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainers.small_disk import grow, small_disk
from tests.trainers.waits import at_first_wait
from trainers.atomic import written_whole
from trainers.patience import Patience


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b"old")
    with written_whole(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_block_that_fails_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "result.json"

    def fail() -> None:
        with written_whole(path) as file:
            file.write(b"half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        fail()
    assert not list(tmp_path.iterdir())


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with written_whole(tmp_path / "whole") as file:
        file.write(b"x")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_leaves_the_old_file_alone_and_is_waited_for(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        path = disk / "result.json"
        path.write_bytes(b"old")
        with pytest.raises(OSError, match=rf"No space left on device: '{path}'"), written_whole(path) as file:
            file.write(bytes(100_000))
        assert path.read_bytes() == b"old"
        assert [file.name for file in disk.iterdir()] == ["result.json"]
        with at_first_wait(lambda: grow(disk)), written_whole(path, Patience(60)) as file:
            file.write(bytes(100_000))
        assert path.stat().st_size == 100_000
        assert [file.name for file in disk.iterdir()] == ["result.json"]


def test_what_an_earlier_try_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".result.json.tmp").write_bytes(b"half of something long")
    with written_whole(tmp_path / "result.json") as file:
        file.write(b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("result.json", b"new")]
