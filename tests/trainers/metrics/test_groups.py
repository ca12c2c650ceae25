from __future__ import annotations

import numpy as np

from trainers.metrics.groups import shots, tail_half


def test_shots_are_many_above_100_and_few_below_20() -> None:
    masks = shots(np.array([101, 100, 20, 19, 0]))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()} == {
        "many": [0],
        "medium": [1, 2],
        "few": [3, 4],
    }


def test_cifar100_at_ratio_100_has_35_35_30_classes_in_its_groups() -> None:
    counts = np.array([int(500 * 0.01 ** (k / 99)) for k in range(100)])
    assert {name: int(mask.sum()) for name, mask in shots(counts).items()} == {"many": 35, "medium": 35, "few": 30}


def test_the_tail_is_the_rarer_half_and_one_more_where_classes_are_odd() -> None:
    assert tail_half(np.array([30, 20, 10])).tolist() == [1, 2]
    assert tail_half(np.array([10, 400, 20, 300])).tolist() == [0, 2]


def test_of_equal_counts_the_larger_index_is_the_rarer() -> None:
    assert tail_half(np.full(10, 7)).tolist() == [5, 6, 7, 8, 9]
    assert tail_half(np.array([5000] * 5 + [50] * 5)).tolist() == [5, 6, 7, 8, 9]
