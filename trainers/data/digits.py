"""scikit-learn's 1,797 handwritten digits as a data set that needs no download, in the host's cache; no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainers.data.cache import cached, save_array
from trainers.data.fingerprint import SPLITS
from trainers.data.images import Dataset
from trainers.data.imbalance import permuted_ranks

TRAIN_PER_CLASS: Final = 100
_ENLARGE: Final = 4
_MEAN: Final = 0.305
_STD: Final = 0.376


def split_indices(targets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and test indices, class after class: the first 100 of each class's permutation, and the others."""
    by_class = [np.flatnonzero(targets == label) for label in range(10)]
    ranks = permuted_ranks([len(indices) for indices in by_class], 0)
    ordered = [indices[permutation] for indices, permutation in zip(by_class, ranks, strict=True)]
    train = np.concatenate([indices[:TRAIN_PER_CLASS] for indices in ordered])
    return train, np.concatenate([indices[TRAIN_PER_CLASS:] for indices in ordered])


def load() -> Dataset:
    """The digits as 32x32 RGB: 1,000 training images, 100 a class, and 797 test images.

    A pixel x of 0..16 becomes round(x * 255 / 16), is repeated 4x4, and its one channel three times. No flips.
    """
    mean, std = (_MEAN, _MEAN, _MEAN), (_STD, _STD, _STD)
    return replace(cached("digits", _decode), has_flips=False, mean=mean, std=std)


def _decode(target: Path) -> tuple[str, ...]:
    from sklearn.datasets import load_digits  # a second to import: once a host

    bunch = load_digits()
    grey = np.rint(bunch.images * 255 / 16).astype(np.uint8)
    large = grey.repeat(_ENLARGE, axis=1).repeat(_ENLARGE, axis=2)
    images = np.repeat(large[..., None], 3, axis=3)
    targets = bunch.target.astype(np.int64)
    for split, indices in zip(SPLITS, split_indices(targets), strict=True):
        save_array(target / f"{split}-images.npy", images[indices])
        save_array(target / f"{split}-targets.npy", targets[indices])
    return tuple(str(digit) for digit in range(10))
