"""Folders of images for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def colour(split: str, label: int, index: int) -> tuple[int, int, int]:
    """One colour an image, so that a test can tell which image it got."""
    return (40 * label + 10, 20 * index + 5, 200 if split == "train" else 100)


def image_tree(
    root: Path, class_names: tuple[str, ...] = ("ant", "bee", "cow"), images: int = 3, side: int = 32
) -> Path:
    """A folder data set of plain PNGs, `images` a class and split."""
    for split in ("train", "test"):
        for label, name in enumerate(class_names):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(images):
                pixels = np.full((side, side, 3), colour(split, label, index), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    return root


def noisy_tree(root: Path, images: int = 60, side: int = 16) -> Path:
    """A folder data set of three classes that differ in their mean colour, under noise: learned in a few epochs."""
    draws = np.random.default_rng(0)
    for split in ("train", "test"):
        for label, name in enumerate(("red", "green", "blue")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(images):
                pixels = draws.normal(120, 60, (side, side, 3))
                pixels[..., label] += draws.normal(15, 10)
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{index:02d}.png")
    return root
