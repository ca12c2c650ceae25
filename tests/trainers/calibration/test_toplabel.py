from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from tests.trainers.calibration.golden import (
    DYADIC_PROBS,
    DYADIC_TARGETS,
    PRINTED_PROBS,
    PRINTED_TARGETS,
    formula_logits,
    softmax,
)
from tests.trainers.calibration.strategies import Split, away_from_edges, followed, splits
from trainers.calibration.bins import Edges, top_label
from trainers.calibration.gaps import Norm
from trainers.calibration.metrics import ace, adaece_reference, adaptive_ece, conf_minus_acc, ece, mce, oe, rmsce


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (mce, {5: 0.53 / 3, 10: 0.86, 15: 0.86}),
        (rmsce, {5: 0.14774697, 10: 0.38892588, 15: 0.45353059}),
        (adaece_reference, {5: 0.119, 10: 0.313, 15: 0.313}),
        (ace, {5: 0.1308333, 10: 0.3861111, 15: 0.4055556}),
        (oe, {5: 0.0728825, 10: 0.11621, 15: 0.13925}),
    ],
)
def test_ten_printed_rows_give_the_known_values(measure: Callable[..., float], expected: dict[int, float]) -> None:
    found = {n_bins: measure(PRINTED_PROBS, PRINTED_TARGETS, n_bins) for n_bins in expected}
    assert found == pytest.approx(expected, abs=6e-8)


def test_a_thousand_samples_give_the_known_values() -> None:
    logits, targets = formula_logits()
    probs = softmax(logits)
    found = [measure(probs, targets) for measure in (mce, adaece_reference, oe, conf_minus_acc)]
    assert found == pytest.approx([0.9398681137, 0.1287633, 0.0640675971, 0.1190528658], abs=6e-8)


def test_by_group_it_matters_whether_the_true_or_the_predicted_label_makes_the_group() -> None:
    predicted = PRINTED_PROBS.argmax(axis=1)
    groups = [PRINTED_TARGETS == 0, PRINTED_TARGETS != 0, predicted == 0, predicted != 0]
    found = [ece(PRINTED_PROBS[group], PRINTED_TARGETS[group], 5) for group in groups]
    assert found == pytest.approx([0.055, 0.235, 0.32, 0.0316667], abs=1e-7)


@pytest.mark.parametrize(
    ("edges", "expected"), [("right", 0.1785714286), ("left", 0.1071428571), ("left_open_one", 0.25)]
)
def test_each_rule_of_edges_gives_the_value_of_the_libraries_that_have_it(edges: Edges, expected: float) -> None:
    assert ece(DYADIC_PROBS, DYADIC_TARGETS, 4, edges=edges) == pytest.approx(expected, abs=1e-10)


def test_the_rules_of_edges_differ_in_what_lies_on_an_edge_alone() -> None:
    values = [ece(PRINTED_PROBS, PRINTED_TARGETS, edges=edges) for edges in ("right", "left", "left_open_one")]
    assert values == pytest.approx([0.369] * 3, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(splits(), st.integers(1, 30), st.sampled_from(["l1", "l2", "max"]))
def test_every_norm_agrees_with_torchmetrics(split: Split, n_bins: int, norm: Norm) -> None:
    probs, targets = split
    confidence, _ = top_label(probs, targets)
    assume(away_from_edges(confidence, n_bins) and confidence.max() < 1 - 1e-6)
    theirs = multiclass_calibration_error(
        torch.from_numpy(probs), torch.from_numpy(targets), probs.shape[1], n_bins=n_bins, norm=norm
    )
    assert ece(probs, targets, n_bins, norm=norm) == pytest.approx(float(theirs), abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(splits(), st.sampled_from([1, 2, 4, 8, 16, 32]))
def test_a_bin_that_holds_its_left_edge_and_one_apart_are_the_bins_of_torchmetrics(split: Split, n_bins: int) -> None:
    # Thirty-seconds: exact in float32, and many of them on an edge.
    first = np.round(split[0][:, 0] * 32) / 32
    probs, targets = np.array([first, 1 - first]).T, split[1] % 2
    theirs = multiclass_calibration_error(torch.from_numpy(probs), torch.from_numpy(targets), 2, n_bins=n_bins)
    assert ece(probs, targets, n_bins, edges="left_open_one") == pytest.approx(float(theirs), abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(followed(), st.integers(1, 30))
def test_the_norms_are_what_the_table_of_bins_says(split: Split, n_bins: int) -> None:
    confidence, correct = top_label(*split)
    bins = np.clip(np.searchsorted(np.linspace(0, 1, n_bins + 1), confidence) - 1, 0, None)
    held = [bins == b for b in np.unique(bins)]
    shares = np.array([mask.mean() for mask in held])
    means = np.array([confidence[mask].mean() for mask in held])
    gaps = means - [correct[mask].mean() for mask in held]
    measured = [measure(*split, n_bins) for measure in (ece, rmsce, mce, ace, oe)]
    expected = [
        (shares * np.abs(gaps)).sum(),
        np.sqrt((shares * gaps**2).sum()),
        np.abs(gaps).max(),
        np.abs(gaps).mean(),
        (shares * means * np.maximum(gaps, 0)).sum(),
    ]
    assert measured == pytest.approx(expected, abs=1e-12)
    assert rmsce(*split, n_bins) == ece(*split, n_bins, norm="l2")
    assert mce(*split, n_bins) == ece(*split, n_bins, norm="max")


def test_small_bins_may_be_left_out_of_the_maximum() -> None:
    logits, targets = formula_logits()
    probs = softmax(logits)
    assert mce(probs, targets, min_count=2) < mce(probs, targets) == pytest.approx(0.9398681137)
    assert mce(probs, targets, min_count=2) == mce(probs, targets, min_count=18)
    assert mce(probs, targets, min_count=1001) == 0
    with pytest.raises(ValueError, match="min_count"):
        mce(probs, targets, min_count=0)


@settings(deadline=None, max_examples=60)
@given(followed(), st.integers(1, 40))
def test_the_reference_variant_leaves_the_lowest_confidence_out(split: Split, n_bins: int) -> None:
    confidence, correct = top_label(*split)
    count = len(confidence)
    edges = np.interp(np.linspace(0, count, n_bins + 1), np.arange(count), np.sort(confidence))
    expected = 0.0
    for low, high in pairwise(edges):
        held = (confidence > low) & (confidence <= high)
        expected += abs((confidence - correct)[held].sum()) / count
    assert adaece_reference(*split, n_bins) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(followed(), st.integers(1, 30))
def test_the_signed_gap_bounds_the_errors(split: Split, n_bins: int) -> None:
    gap = conf_minus_acc(*split)
    assert abs(gap) <= min(ece(*split, n_bins), adaptive_ece(*split, n_bins)) + 1e-12
    assert ece(*split, n_bins) <= rmsce(*split, n_bins) + 1e-12 <= mce(*split, n_bins) + 2e-12
    assert oe(*split, n_bins) <= ece(*split, n_bins) + 1e-12


def test_a_calibrated_model_stays_below_what_chance_makes_of_ten_thousand_samples() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, 10_000)
    targets = (rng.random(10_000) > confidence).astype(int)
    probs = np.array([confidence, 1 - confidence]).T
    assert ece(probs, targets) < 0.016
    assert adaptive_ece(probs, targets) < 0.022


@pytest.mark.parametrize("measure", [ece, adaptive_ece])
def test_an_unknown_norm_is_refused_with_the_known_ones(measure: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="norm must be one of l1, l2, max, not 'l3'"):
        measure(PRINTED_PROBS, PRINTED_TARGETS, norm="l3")


@pytest.mark.parametrize("measure", [ece, mce, rmsce, ace, oe])
def test_an_unknown_rule_of_edges_is_refused_with_the_known_ones(measure: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="edges must be one of right, left, left_open_one, not 'both'"):
        measure(PRINTED_PROBS, PRINTED_TARGETS, edges="both")
