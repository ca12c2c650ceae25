"""What a data set is once it is loaded; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers import names
from trainers.catalogue import DATASETS

Channels = tuple[float, float, float]

# The statistics that nearly every long-tailed repository uses, on CIFAR-100 too.
CIFAR10_MEAN: Channels = (0.4914, 0.4822, 0.4465)
CIFAR10_STD: Channels = (0.2023, 0.1994, 0.2010)


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes:
        images: (N, H, W, 3) uint8; may be a read-only memory map.
        targets: (N,) int64.
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """A training and a test split of the same classes.

    Attributes:
        train: all training images, before any is left out.
        test: all test images; never subsampled.
        class_names: (C,), in label order.
        has_flips: whether a mirrored image is still of its class.
        mean: per channel, of pixels in [0, 1].
        std: per channel, of pixels in [0, 1].
    """

    train: Split
    test: Split
    class_names: tuple[str, ...]
    has_flips: bool = True
    mean: Channels = CIFAR10_MEAN
    std: Channels = CIFAR10_STD


def load_dataset(spec: Mapping[str, Any]) -> Dataset:
    """The data set that a spec names.

    Args:
        spec: `name` and the parameters of its catalogue entry; `fingerprint` of a `folder` is optional.

    Raises:
        SpecError: unknown name or parameter.
        DataError: the data set is missing or broken.
    """
    name, found = names.entry(DATASETS, "dataset", spec["name"])
    given = {key: value for key, value in spec.items() if key not in {"name", "fingerprint"}}
    values = names.parameters(found, f"dataset {name}", given)
    if "fingerprint" in spec:
        values["fingerprint"] = spec["fingerprint"]
    loaded: Dataset = names.code(found)(**values)
    return loaded
