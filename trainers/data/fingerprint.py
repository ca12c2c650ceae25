"""What identifies a folder of images: their names and sizes. Standard library only: planning uses it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from trainers.errors import DataError
from trainers.passing import is_passing

SPLITS: Final = ("train", "test")
_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def class_images(folder: Path, split: str) -> dict[str, list[tuple[str, int]]]:
    """The images of one split: class name -> (file name, bytes) of each, all sorted by name.

    Hidden files and folders and files that are not images by their suffix do not count.

    Raises:
        DataError: no such folder, no class in it, or a class without images.
        OSError: it cannot be listed now.
    """
    root = folder / split
    try:
        classes = sorted(item.name for item in os.scandir(root) if item.is_dir() and not item.name.startswith("."))
    except OSError as error:
        if is_passing(error):
            raise
        raise DataError(
            f"no data set at {folder}: {root} cannot be listed ({error.strerror}); "
            "a folder data set holds train/<class>/ and test/<class>/"
        ) from error
    if not classes:
        raise DataError(f"{root} holds no class folders; put the images of each class in {split}/<class>/")
    found = {name: _images(root / name) for name in classes}
    empty = [name for name, images in found.items() if not images]
    if empty:
        raise DataError(f"{root / empty[0]} holds no images; remove the folder or fill it")
    return found


def _images(folder: Path) -> list[tuple[str, int]]:
    with os.scandir(folder) as items:
        return sorted(
            (item.name, item.stat().st_size)
            for item in items
            if item.name.lower().endswith(_SUFFIXES) and not item.name.startswith(".") and item.is_file()
        )


def folder_fingerprint(path: Path) -> str:
    """32 hex digits that change when an image below train/ or test/ is added, removed, renamed or resized.

    Pixels are not read, so that 60,000 files take about a second. Where the folder lies does not matter.

    Raises:
        DataError, OSError: as `class_images`.
    """
    digest = hashlib.sha256()
    for split in SPLITS:
        for name, images in class_images(path, split).items():
            for image, size in images:
                digest.update(f"{split}/{name}/{image}\0{size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]
