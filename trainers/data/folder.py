"""Any tree of images with train/<class>/ and test/<class>/, decoded once into the host's cache; no torch."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trainers.data.cache import cached, data_root, new_array, save_array
from trainers.data.fingerprint import SPLITS, class_images, folder_fingerprint
from trainers.data.images import Dataset
from trainers.errors import DataError
from trainers.passing import is_passing
from trainers.patience import Patience

_IMAGES_A_TASK: Final = 256
_MAX_THREADS: Final = 8
# Short, as a request to stop waits for it; who loads the data set has more, but then all images are decoded again.
_PATIENCE: Final = Patience(seconds=10.0)


def load(*, path: str, size: int = 32, fingerprint: str | None = None) -> Dataset:
    """The images of a folder, squeezed to `size` x `size`; classes and files in the order of their names.

    Args:
        path: the folder; relative to ORCH_DATA.
        size: width and height in pixels.
        fingerprint: what the folder's content was when the job was planned; None: whatever it is now.

    Raises:
        DataError: the folder is missing or incomplete, its content has changed since it was planned, or an image
            cannot be decoded.
    """
    folder = data_root() / path
    if fingerprint is None:
        fingerprint = folder_fingerprint(folder)

    def build(target: Path) -> tuple[str, ...]:
        # A cache that is there needs no look at the folder: its key says what it holds.
        if folder_fingerprint(folder) != fingerprint:
            raise DataError(f"{folder} is not what was planned (files were added, removed or changed); plan again")
        return _decode_folder(folder, size, target)

    return cached(f"folder-{fingerprint}-{size}", build)


def _decode_folder(folder: Path, size: int, target: Path) -> tuple[str, ...]:
    listings = {split: class_images(folder, split) for split in SPLITS}
    train, test = (list(listings[split]) for split in SPLITS)
    for name in sorted(set(train) ^ set(test)):
        missing = "test" if name in train else "train"
        raise DataError(f"class {name!r} of {folder} has no folder in {missing}/; both splits need the same classes")
    for split, listing in listings.items():
        paths = [folder / split / name / image for name, images in listing.items() for image, _ in images]
        shape = (len(paths), size, size, 3)
        images = new_array(target / f"{split}-images.npy", shape, np.uint8)
        _decode_all(paths, images)
        images.flush()
        counts = [len(listing[name]) for name in listing]
        save_array(target / f"{split}-targets.npy", np.repeat(np.arange(len(counts), dtype=np.int64), counts))
    return tuple(train)


def _decode_all(paths: Sequence[Path], images: NDArray[np.uint8]) -> None:
    def decode_some(start: int) -> None:
        for index in range(start, min(start + _IMAGES_A_TASK, len(paths))):
            images[index] = decode(paths[index], images.shape[1])

    pool = ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1))
    try:
        for _ in pool.map(decode_some, range(0, len(paths), _IMAGES_A_TASK)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def decode(path: Path, size: int) -> NDArray[np.uint8]:
    """One image as (size, size, 3) uint8 RGB; another size is resampled bilinearly, its aspect not kept.

    Raises:
        DataError: the file cannot be read as an image.
        OSError: it cannot be read now.
    """
    try:
        # All of it first: a decoder may take a server that fails for a broken image, and what it maps for a signal.
        data = _PATIENCE.retry(str(path), path.read_bytes)
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB")
            if image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BILINEAR)
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and is_passing(error):
            raise
        problem = "of no known format" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{path} is not a readable image ({problem}); replace or remove it, then plan again") from error
