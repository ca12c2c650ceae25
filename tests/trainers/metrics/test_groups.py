from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from trainers.metrics.groups import Mask, groups_by_convention, mislas, shots, shots_le20, tail_half, thirds


def cifar(num_classes: int, ratio: int) -> npt.NDArray[np.int64]:
    """Class counts of CIFAR-10-LT or CIFAR-100-LT."""
    share = (1 / ratio) ** (1 / (num_classes - 1))
    return np.array([int(50_000 / num_classes * share**k + 1e-9) for k in range(num_classes)])


def sizes(masks: dict[str, Mask]) -> list[int]:
    return [int(masks[name].sum()) for name in ("many", "medium", "few")]


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


@pytest.mark.parametrize(
    ("num_classes", "ratio", "expected"),
    [
        (10, 10, [10, 0, 0]),
        (10, 50, [9, 1, 0]),
        (10, 100, [8, 2, 0]),
        (10, 200, [7, 3, 0]),
        (100, 10, [69, 31, 0]),
        (100, 50, [41, 41, 18]),
        (100, 100, [35, 35, 30]),
        (100, 200, [30, 31, 39]),
    ],
)
def test_the_shots_of_the_published_data_sets(num_classes: int, ratio: int, expected: list[int]) -> None:
    assert sizes(shots(cifar(num_classes, ratio))) == expected


def test_a_class_of_twenty_is_one_of_few_where_twenty_is_few() -> None:
    assert sizes(shots_le20(np.array([101, 100, 21, 20, 19]))) == [1, 2, 2]
    assert sizes(shots_le20(cifar(100, 100))) == [35, 34, 31]


def test_mislas_cuts_by_index_whatever_the_counts() -> None:
    for counts in (cifar(100, 100), cifar(100, 100)[::-1]):
        masks = mislas(counts)
        assert np.flatnonzero(masks["medium"]).tolist() == list(range(36, 71))
        assert sizes(masks) == [36, 35, 29]
    assert {name: np.flatnonzero(mask).tolist() for name, mask in mislas(np.full(10, 7)).items()} == {
        "many": [0, 1, 2],
        "medium": [3, 4, 5, 6],
        "few": [7, 8, 9],
    }


def test_thirds_are_of_the_classes_in_the_order_of_their_counts_and_the_rest_is_few() -> None:
    assert sizes(thirds(cifar(100, 100))) == [33, 33, 34]
    masks = thirds(np.array([5, 900, 5, 30, 900, 7, 30]))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()} == {
        "many": [1, 4],
        "medium": [3, 6],
        "few": [0, 2, 5],
    }
    assert np.flatnonzero(thirds(np.full(5, 9))["many"]).tolist() == [0]


def test_a_group_without_a_class_is_absent_and_so_is_a_convention_without_a_group() -> None:
    found = groups_by_convention(cifar(10, 100))
    assert {name: list(masks) for name, masks in found.items()} == {
        "shots": ["many", "medium"],
        "shots_le20": ["many", "medium"],
        "mislas": ["many", "medium", "few"],
        "thirds": ["many", "medium", "few"],
    }
    assert list(groups_by_convention(np.array([9, 9, 9]))) == ["shots", "shots_le20", "thirds"]


@pytest.mark.parametrize("num_classes", [2, 3, 10, 47, 100])
def test_every_class_is_in_one_group_of_each_convention(num_classes: int) -> None:
    counts = np.random.default_rng(num_classes).integers(1, 300, num_classes)
    for masks in groups_by_convention(counts).values():
        assert (np.sum(list(masks.values()), axis=0) == 1).all()
