"""Counts and kept images against the published protocol."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.data.imbalance import class_counts, permuted_ranks
from trainers.errors import SpecError


def profile(kind: str, ratio: int, n_max: int | None = None) -> dict[str, Any]:
    return {"type": kind, "mu": f"1/{ratio}", "n_max": n_max}


CIFAR = {10: [5000] * 10, 100: [500] * 100}


def test_counts_of_cifar10_at_ratio_100() -> None:
    assert class_counts(profile("exp", 100), CIFAR[10]) == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]


def test_counts_of_cifar100_at_ratio_100_begin_and_end_as_published() -> None:
    counts = class_counts(profile("exp", 100), CIFAR[100])
    assert counts[:5] == [500, 477, 455, 434, 415]
    assert counts[-5:] == [6, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("kind", "classes", "ratio", "total"),
    [
        ("exp", 10, 10, 20431),
        ("exp", 10, 20, 17023),
        ("exp", 10, 50, 13996),
        ("exp", 10, 100, 12406),
        ("exp", 10, 200, 11203),
        ("exp", 100, 10, 19573),
        ("exp", 100, 20, 15907),
        ("exp", 100, 50, 12608),
        ("exp", 100, 100, 10847),
        ("exp", 100, 200, 9502),
        ("step", 10, 10, 27500),
        ("step", 10, 20, 26250),
        ("step", 10, 50, 25500),
        ("step", 10, 100, 25250),
        ("step", 10, 200, 25125),
        ("step", 100, 50, 25500),
        ("step", 100, 200, 25100),
        ("head_tail", 10, 100, 32289),
        ("head_tail", 100, 100, 30499),
    ],
)
def test_totals_are_the_published_ones(kind: str, classes: int, ratio: int, total: int) -> None:
    assert sum(class_counts(profile(kind, ratio), CIFAR[classes])) == total


def test_head_tail_keeps_six_of_ten_classes_full() -> None:
    assert class_counts(profile("head_tail", 100), CIFAR[10]) == [5000] * 6 + [1581, 500, 158, 50]


def test_none_keeps_everything_of_unequal_classes() -> None:
    assert class_counts({"type": "none"}, [7, 3, 5]) == [7, 3, 5]


def test_n_max_is_the_smallest_class_unless_given() -> None:
    assert class_counts(profile("step", 2), [30, 20]) == [20, 10]
    assert class_counts(profile("step", 2, n_max=12), [30, 20]) == [12, 6]


@pytest.mark.parametrize(
    ("imbalance", "sizes", "says"),
    [
        (profile("exp", 100), [50, 50], "leaves class 1 without images"),
        (profile("exp", 2, n_max=60), [70, 20], "30 images of class 1, which has 20"),
        (profile("exp", 2), [50], "at least two classes"),
    ],
)
def test_what_cannot_be_had_is_refused(imbalance: dict[str, Any], sizes: list[int], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        class_counts(imbalance, sizes)


@given(
    st.sampled_from(["exp", "step", "head_tail"]),
    st.integers(2, 12),
    st.integers(1, 20),
    st.integers(20, 400),
)
def test_counts_never_grow_and_end_at_both_extremes(kind: str, classes: int, ratio: int, n_max: int) -> None:
    counts = class_counts(profile(kind, ratio, n_max), [n_max] * classes)
    assert counts[0] == n_max
    assert counts == sorted(counts, reverse=True)
    if kind != "head_tail" or classes > 2:  # of two classes, head and tail are one class each, and both are full
        assert counts[-1] == int(n_max * (1 / ratio))


HASHES = [
    ("exp", 100, 10, "8a54f5b6fa972295"),
    ("exp", 50, 10, "7bb90363b243a944"),
    ("exp", 10, 10, "2b3a8656bec514c6"),
    ("exp", 20, 10, "a7d33406202ee724"),
    ("exp", 200, 10, "334c2d61143b39bf"),
    ("step", 100, 10, "9f6141e4cf23433a"),
    ("step", 10, 10, "972d9eb4a700ad78"),
    ("head_tail", 100, 10, "f8839159b46b4e47"),
    ("exp", 100, 100, "f123ec136d44ab1b"),
    ("exp", 50, 100, "1bc82de2629e5cbd"),
    ("exp", 10, 100, "5906ba7310b91b5e"),
    ("exp", 20, 100, "03ac457e9ab1e6bd"),
    ("exp", 200, 100, "36f76462dfbbe6f4"),
    ("step", 100, 100, "5fab75890a63c299"),
    ("step", 10, 100, "d973f460f760c05f"),
]


@pytest.mark.parametrize(("kind", "ratio", "classes", "digest"), HASHES)
def test_kept_ranks_have_the_published_hashes(kind: str, ratio: int, classes: int, digest: str) -> None:
    counts = class_counts(profile(kind, ratio), CIFAR[classes])
    ranks = permuted_ranks(CIFAR[classes], 0)
    kept = np.concatenate([permutation[:count] for permutation, count in zip(ranks, counts, strict=True)])
    assert hashlib.sha256(kept.astype("<i8").tobytes()).hexdigest()[:16] == digest


def test_first_ranks_are_the_published_ones() -> None:
    ranks = permuted_ranks(CIFAR[10], 0)
    assert ranks[0][:5].tolist() == [398, 3833, 4836, 4572, 636]
    assert ranks[-1][:5].tolist() == [2204, 3816, 2206, 2507, 1926]


def test_another_data_seed_keeps_other_images() -> None:
    assert permuted_ranks([50], 0)[0].tolist() != permuted_ranks([50], 1)[0].tolist()
