"""The cache is built once, is whole or absent, and is built anew when it is not what was written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Final

import numpy as np
import pytest

from tests.trainers.small_disk import small_disk
from trainers.data.cache import cache_root, cached, new_array, save_array
from trainers.data.images import Dataset
from trainers.errors import DataError

# Says when it builds, and goes on building when it is told to.
BUILDER: Final = """
import numpy as np
from trainers.data.cache import cached

def build(folder):
    (folder / "train-images.npy").write_bytes(b"half")
    print("building", flush=True)
    input()
    for split in ("train", "test"):
        np.save(folder / f"{split}-images.npy", np.full((2, 4, 4, 3), 7, dtype=np.uint8))
        np.save(folder / f"{split}-targets.npy", np.array([0, 1]))
    return ("a", "b")

print("ready", flush=True)
input()
dataset = cached("key", build)
print(int(dataset.train.images.sum()), *dataset.train.targets, *dataset.class_names, flush=True)
"""
BUILT: Final = f"{7 * 2 * 4 * 4 * 3} 0 1 a b"


def write_tiny(folder: Path) -> tuple[str, ...]:
    for split in ("train", "test"):
        np.save(folder / f"{split}-images.npy", np.full((2, 4, 4, 3), 7, dtype=np.uint8))
        np.save(folder / f"{split}-targets.npy", np.array([0, 1]))
    return ("a", "b")


def refuse(folder: Path) -> tuple[str, ...]:
    raise DataError("the source is not in /data; put it there")


def is_tiny(dataset: Dataset) -> bool:
    return (
        dataset.class_names == ("a", "b")
        and all(split.targets.tolist() == [0, 1] for split in (dataset.train, dataset.test))
        and all((split.images == 7).all() for split in (dataset.train, dataset.test))
    )


def alter(path: Path) -> None:
    """One bit of the last byte; its size and times stay."""
    times, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(path: Path) -> None:
    os.truncate(path, 100)


def lie(path: Path) -> None:
    path.write_text('{"schema": 1, "files": {"classes.json": []}}')


def of_tomorrow(path: Path) -> None:
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))


def start() -> subprocess.Popen[str]:
    """A process that is about to open the cache."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert heard(process) == "ready"
    return process


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


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


def test_threads_that_come_together_build_once() -> None:
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


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("train-images.npy", cut, "train-images.npy holds 100 bytes in place of 224"),
        ("test-images.npy", alter, "test-images.npy has been altered"),
        ("train-targets.npy", alter, "train-targets.npy has been altered"),
        ("test-targets.npy", Path.unlink, "test-targets.npy is missing"),
        ("classes.json", alter, "classes.json has been altered"),
        ("manifest.json", Path.unlink, "manifest.json is missing, as in caches of earlier versions"),
        ("manifest.json", cut, "manifest.json is broken"),
        ("manifest.json", lie, "manifest.json is broken"),
        ("manifest.json", of_tomorrow, "manifest.json is of another version"),
    ],
)
def test_what_is_not_what_was_written_is_built_anew(
    name: str, damage: Callable[[Path], object], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    cached("key", write_tiny)
    folder = cache_root() / "key"
    damage(folder / name)
    assert is_tiny(cached("key", write_tiny))
    assert [record.getMessage() for record in caplog.records] == [
        f"the image cache {folder} is damaged ({said}); building it anew"
    ]
    assert is_tiny(cached("key", refuse))
    assert sorted(path.name for path in cache_root().iterdir()) == ["key", "key.lock"]


def test_what_is_damaged_and_cannot_be_built_anew_is_one_line_that_says_both() -> None:
    cached("key", write_tiny)
    folder = cache_root() / "key"
    cut(folder / "train-images.npy")
    before = sorted((path.name, path.read_bytes()) for path in folder.iterdir())
    with pytest.raises(DataError) as raised:
        cached("key", refuse)
    assert str(raised.value) == (
        f"the image cache {folder} is damaged (train-images.npy holds 100 bytes in place of 224) and cannot be built "
        f"anew: the source is not in /data; put it there; mend that, or put a whole copy in place of {folder}"
    )
    assert sorted((path.name, path.read_bytes()) for path in folder.iterdir()) == before


def test_a_cache_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        monkeypatch.setenv("ORCH_CACHE", str(disk))
        cached("key", write_tiny)
        cached("other", write_tiny)
        alter(disk / "other" / "classes.json")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert is_tiny(cached("key", refuse))
        with pytest.raises(
            DataError, match=r"^the image cache .*/other is damaged .* anew: .*Read-only file system.*; mend that"
        ):
            cached("other", write_tiny)


def test_what_others_have_mapped_stays_as_it_is_when_it_is_built_anew() -> None:
    mapped = cached("key", write_tiny)
    images = cache_root() / "key" / "train-images.npy"
    inode = images.stat().st_ino
    alter(images.with_name("classes.json"))
    assert is_tiny(cached("key", write_tiny))
    assert images.stat().st_ino != inode
    assert is_tiny(mapped)


def test_readers_never_see_what_is_half_replaced() -> None:
    is_over = Event()

    def look() -> int:
        looks = 0
        while not is_over.is_set():
            assert is_tiny(cached("key", write_tiny))
            looks += 1
        return looks

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        for _ in range(50):
            cached("key", write_tiny)
            (cache_root() / "key" / "manifest.json").unlink(missing_ok=True)
        is_over.set()
        assert all(reader.result() for reader in readers)


# --- processes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("was_there", [False, True], ids=["absent", "damaged"])
def test_of_processes_that_come_together_one_builds(was_there: bool) -> None:
    if was_there:
        cached("key", write_tiny)
        cut(cache_root() / "key" / "train-images.npy")
    processes = [start() for _ in range(3)]
    for process in processes:
        tell(process)
        tell(process)  # whichever builds is to go on
    said = [process.communicate() for process in processes]
    assert sorted(out for out, _ in said) == sorted([f"building\n{BUILT}\n", f"{BUILT}\n", f"{BUILT}\n"])
    assert sum("damaged" in err for _, err in said) == was_there


def test_who_waits_for_a_builder_that_is_killed_builds() -> None:
    killed, waiting = start(), start()
    tell(killed)
    assert heard(killed) == "building"
    tell(waiting)
    tell(waiting)
    killed.kill()
    killed.communicate()
    out, _ = waiting.communicate()
    assert out == f"building\n{BUILT}\n"
    assert sorted(path.name for path in cache_root().iterdir()) == ["key", "key.lock"]


def test_a_builder_that_is_interrupted_leaves_nothing() -> None:
    process = start()
    tell(process)
    assert heard(process) == "building"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert [path.name for path in cache_root().iterdir()] == ["key.lock"]
