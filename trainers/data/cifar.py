"""CIFAR-10 and CIFAR-100 through torchvision, kept decoded in the host's cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainers.data.cache import cached, data_root, save_array
from trainers.data.images import Dataset
from trainers.errors import DataError
from trainers.passing import is_passing


def load_cifar10() -> Dataset:
    """CIFAR-10: 50,000 training and 10,000 test images of 10 classes, in the order of the original files.

    Raises:
        DataError: not under ORCH_DATA, and it could not be downloaded.
    """
    return cached("cifar10", lambda target: _decode("CIFAR10", target))


def load_cifar100() -> Dataset:
    """CIFAR-100: 50,000 training and 10,000 test images of 100 classes, in the order of the original files.

    Raises:
        DataError: not under ORCH_DATA, and it could not be downloaded.
    """
    return cached("cifar100", lambda target: _decode("CIFAR100", target))


def _decode(name: str, target: Path) -> tuple[str, ...]:
    from torchvision import datasets  # seconds to import, so only where the cache does not hold the images yet

    source = getattr(datasets, name)
    root = data_root()
    for split in ("train", "test"):
        try:
            original = source(root=str(root), train=split == "train", download=True)
        except (OSError, RuntimeError) as error:
            if isinstance(error, OSError) and is_passing(error):
                raise
            raise DataError(
                f"{name} is not in {root.absolute()} and could not be downloaded ({error}); "
                f"put {source.filename} there, or set ORCH_DATA to the folder that holds it"
            ) from error
        save_array(target / f"{split}-images.npy", np.asarray(original.data, dtype=np.uint8))
        save_array(target / f"{split}-targets.npy", np.asarray(original.targets, dtype=np.int64))
    return tuple(original.classes)
