"""What a data set is once it is loaded; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainers import names
from trainers.catalogue import DATASETS
from trainers.errors import DataError

if TYPE_CHECKING:  # planning loads data sets and no torch
    from torch import Tensor

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


class Reader(Protocol):
    """Images in the order of one epoch."""

    def read(self, start: int, stop: int) -> Tensor:
        """The images at positions `start` to `stop` of the order: (stop - start, H, W, 3) uint8 on the device.

        Positions are asked for in any order; going up is the fast one. What is returned is not to be written to.
        """
        ...


class Images(Protocol):
    """A split, or some of it, wherever its pixels are; they are the same bytes everywhere."""

    @property
    def targets(self) -> Tensor:
        """Labels on the device, (N,) int64."""
        ...

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        ...

    def __len__(self) -> int: ...

    def reader(self, order: Tensor, chunk: int) -> Reader:
        """Read images in an order.

        Args:
            order: of the images, (M,) int64 on the CPU; an image may come several times or not at all.
            chunk: images to fetch ahead at a time, where they have to be fetched.
        """
        ...


def load_dataset(spec: Mapping[str, Any]) -> Dataset:
    """The data set that a spec names.

    Args:
        spec: `name` and the parameters of its catalogue entry; `fingerprint` of a `folder` is optional.

    Raises:
        SpecError: unknown name or parameter.
        DataError: the data set is missing or broken, a split is empty, or a class has no training image.
    """
    name, found = names.entry(DATASETS, "dataset", spec["name"])
    given = {key: value for key, value in spec.items() if key not in {"name", "fingerprint"}}
    values = names.parameters(found, f"dataset {name}", given)
    if "fingerprint" in spec:
        values["fingerprint"] = spec["fingerprint"]
    loaded: Dataset = names.code(found)(**values)
    _refuse_gaps(name, loaded)
    return loaded


def _refuse_gaps(name: str, dataset: Dataset) -> None:
    """Everything after this divides by class counts.

    Raises:
        DataError: an empty split, a label without a name, or a class without training images.
    """
    num_classes = len(dataset.class_names)
    for split, images in (("training", dataset.train), ("test", dataset.test)):
        if not len(images.targets):
            raise DataError(f"dataset {name} has no {split} images; put some there")
        if not 0 <= images.targets.min() <= images.targets.max() < num_classes:
            raise DataError(
                f"dataset {name} has {split} labels {images.targets.min()} to {images.targets.max()} "
                f"and {num_classes} class names; labels are to be 0 to {num_classes - 1}"
            )
    counts = np.bincount(dataset.train.targets, minlength=num_classes)
    if not counts.all():
        label = int(counts.argmin())
        raise DataError(
            f"dataset {name} has no training images of class {dataset.class_names[label]!r}; add some, or take it out"
        )
