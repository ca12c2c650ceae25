from __future__ import annotations

import numpy as np
import pytest

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, formula_logits, softmax
from trainers.calibration.bins import EDGES, bin_index, reliability_table, top_label


def test_the_table_of_ten_printed_rows_is_the_one_worked_by_hand() -> None:
    table = reliability_table(*top_label(PRINTED_PROBS, PRINTED_TARGETS), n_bins=5)
    assert table.edges == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert table.counts.tolist() == [0, 0, 3, 3, 4]
    assert table.confidence == pytest.approx([np.nan, np.nan, 0.49, 0.71, 0.9225], nan_ok=True)
    assert table.accuracy == pytest.approx([np.nan, np.nan, 2 / 3, 2 / 3, 0.75], nan_ok=True)


def test_the_bins_of_a_thousand_samples_hold_their_known_counts() -> None:
    logits, targets = formula_logits()
    table = reliability_table(*top_label(softmax(logits), targets), n_bins=15)
    assert table.counts.tolist() == [0, 0, 1, 70, 200, 213, 163, 128, 63, 40, 30, 30, 43, 18, 1]


@pytest.mark.parametrize("n_bins", [1, 2, 5, 7, 10, 12, 15, 20, 30, 50, 100])
def test_every_edge_closes_the_bin_below_it(n_bins: int) -> None:
    edges = np.linspace(0, 1, n_bins + 1)
    assert bin_index(edges, n_bins).tolist() == [0, *range(n_bins)]
    assert bin_index(np.nextafter(edges[:-1], 1), n_bins).tolist() == list(range(n_bins))


@pytest.mark.parametrize("n_bins", [1, 2, 5, 7, 10, 12, 15, 20, 30, 49, 50, 100, 1000])
def test_the_product_that_finds_a_bin_is_never_further_off_than_the_comparison_mends(n_bins: int) -> None:
    edges = np.linspace(0, 1, n_bins + 1)
    around = [edges, np.nextafter(edges, 1), np.nextafter(edges, 0), np.arange(n_bins + 1) / n_bins]
    values = np.concatenate([*around, np.random.default_rng(0).random(10_000)])
    closed_right = np.searchsorted(edges, values, side="left") - 1
    closed_left = np.searchsorted(edges, values, side="right") - 1
    assert bin_index(values, n_bins).tolist() == closed_right.clip(0, n_bins - 1).tolist()
    assert bin_index(values, n_bins, "left").tolist() == closed_left.clip(0, n_bins - 1).tolist()
    assert bin_index(values, n_bins, "left_open_one").tolist() == closed_left.tolist()


def test_a_probability_a_little_above_one_is_in_the_bin_of_one() -> None:
    above = np.array([1.00005])
    assert [int(bin_index(above, 15, edges)[0]) for edges in EDGES] == [14, 14, 15]


def test_bins_of_a_block_are_those_of_its_values() -> None:
    block = np.random.default_rng(0).random((7, 5))
    assert np.array_equal(bin_index(block, 15), bin_index(block.ravel(), 15).reshape(7, 5))


def test_of_equal_probabilities_the_first_class_is_the_prediction() -> None:
    _, correct = top_label(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([0, 1]))
    assert correct.tolist() == [1.0, 0.0]
