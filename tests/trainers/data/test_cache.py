"""The cache is built once and is whole or absent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from tests.trainers.small_disk import small_disk
from trainers.data.cache import cache_root, cached, new_array, save_array


def write_tiny(folder: Path) -> tuple[str, ...]:
    for split in ("train", "test"):
        np.save(folder / f"{split}-images.npy", np.zeros((2, 4, 4, 3), dtype=np.uint8))
        np.save(folder / f"{split}-targets.npy", np.array([0, 1]))
    return ("a", "b")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))


def test_the_place_follows_orch_cache_then_xdg_then_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setenv("HOME", "/h")
    assert cache_root().name == "cache"
    monkeypatch.delenv("ORCH_CACHE")
    assert cache_root() == Path("/x/orch")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path("/h/.cache/orch")


def test_processes_that_come_together_build_once() -> None:
    builds: list[Path] = []
    start = Barrier(4)

    def build(folder: Path) -> tuple[str, ...]:
        builds.append(folder)
        return write_tiny(folder)

    def come(_: int) -> tuple[str, ...]:
        start.wait()
        return cached("key", build).class_names

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(come, range(4))) == [("a", "b")] * 4
    assert len(builds) == 1


def test_what_a_killed_builder_left_is_built_again() -> None:
    unfinished = cache_root() / "key.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "train-images.npy").write_bytes(b"half")
    assert cached("key", write_tiny).train.targets.tolist() == [0, 1]
    assert not unfinished.exists()


def test_a_failed_build_publishes_nothing() -> None:
    def fail(folder: Path) -> tuple[str, ...]:
        write_tiny(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cached("key", fail)
    assert not (cache_root() / "key").exists()
    assert cached("key", write_tiny).class_names == ("a", "b")


def test_an_array_that_finds_no_room_is_an_error_that_names_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        path = disk / "train-images.npy"
        with pytest.raises(OSError, match=rf"No space left on device: '{path}'"):
            new_array(path, (100, 32, 32, 3), np.uint8)


def test_an_array_is_what_was_saved(tmp_path: Path) -> None:
    save_array(tmp_path / "x.npy", np.arange(6).reshape(2, 3))
    assert np.load(tmp_path / "x.npy").tolist() == [[0, 1, 2], [3, 4, 5]]
