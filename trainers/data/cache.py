"""Decoded images on this host's disk: built once, by one process, whole or absent; no torch."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import DTypeLike, NDArray

from trainers.data.fingerprint import SPLITS
from trainers.data.images import Dataset, Split

_CLASSES = "classes.json"


def cache_root() -> Path:
    """Where this host keeps decoded images: ORCH_CACHE, else `orch` in the user's cache folder."""
    if chosen := os.environ.get("ORCH_CACHE"):
        return Path(chosen)
    user_cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(user_cache) if user_cache else Path.home() / ".cache") / "orch"


def data_root() -> Path:
    """Where data sets lie: ORCH_DATA, else `data`."""
    return Path(os.environ.get("ORCH_DATA") or "data")


def cached(key: str, build: Callable[[Path], tuple[str, ...]]) -> Dataset:
    """The data set under a key, as memory maps; built first if it is not there.

    Args:
        key: names the content; a path below the cache folder.
        build: writes `<split>-images.npy` and `<split>-targets.npy` of both splits into the folder it is given and
            returns the class names. What it raises leaves nothing behind but an unfinished folder, which the next
            builder removes.
    """
    final = cache_root() / key
    if not final.is_dir():
        final.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(final.with_name(final.name + ".lock")):
            if not final.is_dir():
                _build(final, build)
    return _open(final)


def new_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> np.memmap[Any, Any]:
    """An array in a file of its own, all of its space taken: a full disk is an error here and a killed process later.

    Raises:
        OSError: there is no room.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
    return array


def save_array(path: Path, content: NDArray[Any]) -> None:
    """Write an array; unlike `numpy.save`, say what is wrong where it cannot be written.

    Raises:
        OSError: there is no room.
    """
    array = new_array(path, content.shape, content.dtype)
    array[...] = content
    array.flush()


def _build(final: Path, build: Callable[[Path], tuple[str, ...]]) -> None:
    unfinished = final.with_name(final.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # ours alone: we hold the lock of this key
    unfinished.mkdir()
    class_names = build(unfinished)
    (unfinished / _CLASSES).write_text(json.dumps(class_names), encoding="utf-8")
    for path in unfinished.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    unfinished.rename(final)


def _open(folder: Path) -> Dataset:
    train, test = (
        Split(
            images=np.load(folder / f"{split}-images.npy", mmap_mode="r"),
            targets=np.load(folder / f"{split}-targets.npy"),
        )
        for split in SPLITS
    )
    class_names = json.loads((folder / _CLASSES).read_text(encoding="utf-8"))
    return Dataset(train=train, test=test, class_names=tuple(class_names))
