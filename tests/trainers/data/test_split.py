"""Which images train and which validate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainers.data.split import choose
from trainers.errors import SpecError

TARGETS = np.tile(np.arange(3, dtype=np.int64), 40)  # interleaved: indices and ranks differ
EXP: dict[str, Any] = {"type": "exp", "mu": "1/4", "n_max": None}


def test_without_validation_every_class_keeps_its_share() -> None:
    subset = choose(TARGETS, EXP, "none", 0)
    assert subset.class_counts == (40, 20, 10)
    assert np.bincount(TARGETS[subset.train]).tolist() == [40, 20, 10]
    assert len(subset.val) == 0


def test_validation_is_the_end_of_the_permutation_so_rare_classes_keep_their_images() -> None:
    without, with_val = choose(TARGETS, EXP, "none", 0), choose(TARGETS, EXP, {"per_class": 8}, 0)
    assert with_val.class_counts == (32, 16, 8)
    assert np.bincount(TARGETS[with_val.val]).tolist() == [8, 8, 8]
    for label in range(3):
        longer = without.train[TARGETS[without.train] == label]
        shorter = with_val.train[TARGETS[with_val.train] == label]
        assert shorter.tolist() == longer[: len(shorter)].tolist()


def test_training_and_validation_share_no_image() -> None:
    subset = choose(TARGETS, {"type": "none"}, {"per_class": 5}, 3)
    assert sorted([*subset.train, *subset.val]) == list(range(120))


def test_a_fraction_is_taken_exactly() -> None:
    targets = np.zeros(100, dtype=np.int64)
    assert len(choose(targets, {"type": "none"}, {"fraction": 0.29}, 0).val) == 29  # 0.29 * 100 is 28.999...


def test_one_seed_gives_nested_subsets() -> None:
    small = choose(TARGETS, {**EXP, "mu": "1/8"}, "none", 0)
    assert set(small.train) < set(choose(TARGETS, EXP, "none", 0).train)


@pytest.mark.parametrize("val", [{"per_class": 40}, {"per_class": 0}, {"fraction": 0.001}, {"fraction": 1.0}])
def test_a_split_that_leaves_nothing_is_refused(val: dict[str, float]) -> None:
    with pytest.raises(SpecError, match="of the 40 images of class 0"):
        choose(TARGETS, {"type": "none"}, val, 0)
