"""The digits are always the same digits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.datasets import load_digits

from trainers.data.digits import load, split_indices
from trainers.data.images import Dataset

INDICES_SHA256 = "b4343334a163dc2c28b615a1040403436b4ebe4e3f2c7d0f7dc4dc5f96edd9f9"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield load()


def test_the_index_order_never_changes() -> None:
    train, test = split_indices(load_digits().target.astype(np.int64))
    assert hashlib.sha256(np.concatenate([train, test]).astype("<i8").tobytes()).hexdigest() == INDICES_SHA256


def test_a_hundred_images_of_each_class_train(digits: Dataset) -> None:
    assert np.bincount(digits.train.targets).tolist() == [100] * 10
    assert len(digits.train.targets) + len(digits.test.targets) == 1797


def test_pixels_are_scaled_and_repeated(digits: Dataset) -> None:
    train, _ = split_indices(load_digits().target.astype(np.int64))
    original = load_digits().images[train[0]]
    image = digits.train.images[0]
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8
    for row, column in [(0, 3), (4, 4), (7, 2)]:
        block = image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert (block == round(original[row, column] * 255 / 16)).all()


def test_normalised_pixels_have_mean_0_and_deviation_1(digits: Dataset) -> None:
    pixels = (digits.train.images / 255 - np.array(digits.mean)) / np.array(digits.std)
    assert abs(pixels.mean()) < 0.01
    assert abs(pixels.std() - 1) < 0.01


def test_a_mirrored_digit_is_none(digits: Dataset) -> None:
    assert not digits.has_flips
