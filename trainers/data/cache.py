"""Decoded images on this host's disk: built once, by one process, whole or absent; checked when opened. No torch."""

from __future__ import annotations

import glob
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from filelock import FileLock
from numpy.typing import DTypeLike, NDArray

from trainers.data.fingerprint import SPLITS
from trainers.data.images import Dataset, Split
from trainers.data.manifest import DamagedError, check, seal
from trainers.errors import DataError
from trainers.passing import is_passing

log = logging.getLogger(__name__)

_CLASSES: Final = "classes.json"
_FILES: Final = (_CLASSES, *(f"{split}-{part}.npy" for split in SPLITS for part in ("targets", "images")))


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
    """The data set under a key, as memory maps; built first if it is not there, and again if it is not whole.

    Args:
        key: names the content; a path below the cache folder.
        build: writes `<split>-images.npy` and `<split>-targets.npy` of both splits into the folder it is given and
            returns the class names. What it raises leaves nothing behind, and what was there as it was.

    Raises:
        DataError: what is there is damaged and cannot be built anew.
        OSError: it cannot be read or written. Also what `build` raises.
    """
    final = cache_root() / key
    try:
        return _open(final)
    except DamagedError as error:
        damage = error  # or it is being put there at this moment: only who holds the lock can tell
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(final.with_name(final.name + ".lock")):
            return _open_or_build(final, build)
    except (DataError, OSError) as error:
        if not final.exists() or (isinstance(error, OSError) and is_passing(error)):
            raise
        raise DataError(
            f"the image cache {final} is damaged ({damage}) and cannot be built anew: {' '.join(str(error).split())}; "
            f"mend that, or put a whole copy in place of {final}"
        ) from error


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


def _open_or_build(final: Path, build: Callable[[Path], tuple[str, ...]]) -> Dataset:
    try:
        return _open(final)  # somebody may have built it while we waited for the lock
    except DamagedError as damage:
        if final.exists():
            log.warning("the image cache %s is damaged (%s); building it anew", final, damage)
    _build(final, build)
    return _load(final)


def _build(final: Path, build: Callable[[Path], tuple[str, ...]]) -> None:
    """Build beside the place and put it there; for the one that holds the lock of this key."""
    unfinished, replaced = final.with_name(final.name + ".unfinished"), final.name + ".replaced."
    for left in (unfinished, *final.parent.glob(glob.escape(replaced) + "*")):
        shutil.rmtree(left, ignore_errors=True)  # of a builder that was killed
    unfinished.mkdir()
    try:
        class_names = build(unfinished)
        (unfinished / _CLASSES).write_text(json.dumps(class_names), encoding="utf-8")
        seal(unfinished)
        if final.exists():
            # Aside, not over: others may have its files mapped, and one cut short under a map would kill them.
            aside = final.rename(tempfile.mkdtemp(prefix=replaced, dir=final.parent))
            unfinished.rename(final)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            unfinished.rename(final)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)  # it takes room, on a disk that may be full
        raise


def _open(folder: Path) -> Dataset:
    """The data set of a folder, if it is whole.

    Raises:
        DamagedError: it is not, or it is not there.
    """
    check(folder, _FILES)
    try:
        return _load(folder)
    except FileNotFoundError as error:
        raise DamagedError("it was taken away") from error  # to be replaced, after the check


def _load(folder: Path) -> Dataset:
    train, test = (
        Split(
            images=np.load(folder / f"{split}-images.npy", mmap_mode="r"),
            targets=np.load(folder / f"{split}-targets.npy"),
        )
        for split in SPLITS
    )
    class_names = json.loads((folder / _CLASSES).read_text(encoding="utf-8"))
    return Dataset(train=train, test=test, class_names=tuple(class_names))
