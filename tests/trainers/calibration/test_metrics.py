from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from tests.trainers.calibration.golden import (
    DYADIC_PROBS,
    DYADIC_TARGETS,
    PRINTED_PROBS,
    PRINTED_TARGETS,
    formula_logits,
    softmax,
)
from tests.trainers.calibration.strategies import Split, splits
from trainers.calibration.bins import top_label
from trainers.calibration.metrics import adaptive_ece, brier, classwise_ece, ece, nll, nll_of_logits

BINNED = (ece, adaptive_ece, classwise_ece)
ALL: tuple[Callable[..., float], ...] = (*BINNED, nll, brier)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (ece, {5: 0.135, 10: 0.273, 15: 0.369}),
        (adaptive_ece, {5: 0.165, 10: 0.369, 15: 0.369}),
        (classwise_ece, {5: 0.476 / 3, 10: 0.24, 15: 0.82 / 3}),
    ],
)
def test_ten_printed_rows_give_the_values_worked_by_hand(
    measure: Callable[..., float], expected: dict[int, float]
) -> None:
    found = {n_bins: measure(PRINTED_PROBS, PRINTED_TARGETS, n_bins) for n_bins in expected}
    assert found == pytest.approx(expected, abs=1e-12)


def test_ten_printed_rows_have_their_known_proper_scores() -> None:
    assert nll(PRINTED_PROBS, PRINTED_TARGETS) == pytest.approx(0.8051830685093344, abs=1e-12)
    assert brier(PRINTED_PROBS, PRINTED_TARGETS) == pytest.approx(0.46596, abs=1e-12)


def test_fifteen_bins_are_the_default() -> None:
    for measure in BINNED:
        assert measure(PRINTED_PROBS, PRINTED_TARGETS) == measure(PRINTED_PROBS, PRINTED_TARGETS, n_bins=15)


def test_a_thousand_samples_give_the_values_that_several_libraries_agree_on() -> None:
    logits, targets = formula_logits()
    found = [measure(softmax(logits), targets) for measure in ALL]
    expected = [0.1206643169, 0.1279575279, 0.0367556186, 1.7045762955, 0.7899704897]
    assert found == pytest.approx(expected, abs=1e-10)


def test_a_value_on_an_edge_belongs_to_the_bin_below_and_one_to_the_last() -> None:
    assert ece(DYADIC_PROBS, DYADIC_TARGETS, n_bins=4) == pytest.approx(0.1785714286, abs=1e-10)
    assert classwise_ece(DYADIC_PROBS, DYADIC_TARGETS, n_bins=4) == pytest.approx(0.2142857143, abs=1e-10)


def test_a_target_of_probability_zero_has_infinite_nll() -> None:
    assert nll(DYADIC_PROBS, DYADIC_TARGETS) == math.inf


def test_the_nll_of_logits_is_that_of_their_probabilities_and_stays_finite() -> None:
    logits, targets = formula_logits()
    assert nll_of_logits(logits, targets) == pytest.approx(1.7045762955, abs=1e-10)
    assert nll_of_logits([[1e4, 0.0], [0.0, 1e4]], [1, 1]) == pytest.approx(5e3)
    with pytest.raises(ValueError, match="logits holds NaN"):
        nll_of_logits([[math.nan, 0.0]], [0])


def test_one_bin_is_the_gap_between_mean_confidence_and_accuracy() -> None:
    assert ece(PRINTED_PROBS, PRINTED_TARGETS, n_bins=1) == pytest.approx(0.729 - 0.7, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(splits(), st.integers(1, 30))
def test_equal_width_bins_agree_with_torchmetrics(split: Split, n_bins: int) -> None:
    probs, targets = split
    # It closes bins on the other side, works in float32, and keeps 1.0 in a bin of its own.
    edges = np.linspace(0, 1, n_bins + 1)[1:]
    assume(np.abs(probs[:, :, None] - edges).min() > 1e-6)
    theirs, labels = torch.from_numpy(probs), torch.from_numpy(targets)
    whole = multiclass_calibration_error(theirs, labels, probs.shape[1], n_bins=n_bins)
    columns = [
        binary_calibration_error(theirs[:, k].contiguous(), labels == k, n_bins=n_bins) for k in range(probs.shape[1])
    ]
    assert ece(probs, targets, n_bins) == pytest.approx(float(whole), abs=1e-6)
    assert classwise_ece(probs, targets, n_bins) == pytest.approx(float(np.mean(columns)), abs=1e-6)


@settings(deadline=None, max_examples=100)
@given(splits(), st.integers(1, 40))
def test_equal_mass_bins_are_the_chunks_of_the_sorted_samples(split: Split, n_bins: int) -> None:
    probs, targets = split
    confidence, correct = top_label(probs, targets)
    order = np.argsort(confidence, kind="stable")
    chunks = [chunk for chunk in np.array_split(order, n_bins) if len(chunk)]
    gaps = [len(c) / len(order) * abs(confidence[c].mean() - correct[c].mean()) for c in chunks]
    assert adaptive_ece(probs, targets, n_bins) == pytest.approx(sum(gaps), abs=1e-12)


@pytest.mark.parametrize(("targets", "expected"), [([0, 0, 1, 1], 0.625), ([0, 1, 0, 1], 0.375)])
def test_equal_confidences_are_cut_in_the_order_they_came(targets: list[int], expected: float) -> None:
    probs = np.array([[0.5, 0.5], [1, 0], [1, 0], [1, 0]])
    assert adaptive_ece(probs, targets, n_bins=2) == pytest.approx(expected)


def test_many_equal_confidences_keep_their_order_too() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.choice([0.625, 0.75, 0.875], 500)
    targets = (rng.random(500) > confidence).astype(int)
    order = sorted(range(500), key=lambda sample: confidence[sample])
    residual = confidence - (targets == 0)
    expected = sum(abs(residual[chunk].sum()) for chunk in np.array_split(order, 15)) / 500
    assert adaptive_ece(np.array([confidence, 1 - confidence]).T, targets) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(splits())
def test_proper_scores_agree_with_scikit_learn(split: Split) -> None:
    probs, targets = split
    labels = np.arange(probs.shape[1])
    assert nll(probs, targets) == pytest.approx(log_loss(targets, probs, labels=labels), rel=1e-12)
    theirs = brier_score_loss(targets, probs, scale_by_half=False, labels=labels)
    assert brier(probs, targets) == pytest.approx(theirs, rel=1e-12)


@settings(deadline=None, max_examples=50)
@given(splits(), st.integers(1, 30))
def test_neither_the_order_of_samples_nor_that_of_classes_matters(split: Split, n_bins: int) -> None:
    probs, targets = split
    confidence, _ = top_label(probs, targets)
    assume(len(np.unique(confidence)) == len(confidence))
    rng = np.random.default_rng(len(targets))
    rows, columns = rng.permutation(len(probs)), rng.permutation(probs.shape[1])
    moved, renamed = probs[rows][:, columns], np.argsort(columns)[targets[rows]]
    for measure in BINNED:
        assert measure(moved, renamed, n_bins) == pytest.approx(measure(probs, targets, n_bins), abs=1e-12)
    assert nll(moved, renamed) == pytest.approx(nll(probs, targets), rel=1e-12)
    assert brier(moved, renamed) == pytest.approx(brier(probs, targets), rel=1e-12)


@settings(deadline=None, max_examples=50)
@given(splits(), st.integers(1, 30))
def test_a_set_twice_over_is_as_calibrated_as_once(split: Split, n_bins: int) -> None:
    probs, targets = split
    twice = np.concatenate([probs, probs]), np.concatenate([targets, targets])
    for measure in (ece, classwise_ece):
        assert measure(*twice, n_bins) == pytest.approx(measure(probs, targets, n_bins), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(splits(), st.integers(1, 30))
def test_no_binning_hides_the_gap_of_the_means(split: Split, n_bins: int) -> None:
    confidence, correct = top_label(*split)
    gap = abs(confidence.mean() - correct.mean())
    assert gap - 1e-12 <= ece(*split, n_bins) <= 1
    assert gap - 1e-12 <= adaptive_ece(*split, n_bins) <= 1


def test_certain_and_right_costs_nothing() -> None:
    targets = np.arange(7) % 4
    assert [measure(np.eye(4)[targets], targets) for measure in ALL] == [0, 0, 0, 0, 0]


def test_confidence_that_equals_accuracy_is_calibrated_for_any_number_of_bins() -> None:
    probs, targets = np.tile([0.75, 0.25], (8, 1)), np.array([0, 0, 0, 1] * 2)
    assert [ece(probs, targets, n_bins) for n_bins in range(1, 40)] == [0.0] * 39


def test_uniform_predictions_score_the_logarithm_of_the_number_of_classes() -> None:
    probs, targets = np.full((20, 5), 0.2), np.arange(20) % 5
    assert nll(probs, targets) == pytest.approx(math.log(5))
    assert brier(probs, targets) == pytest.approx(1 - 1 / 5)


def test_a_class_without_a_target_still_counts_in_the_classwise_mean() -> None:
    probs = np.tile([0.5, 0.3, 0.2], (10, 1))
    assert classwise_ece(probs, np.zeros(10, dtype=int), 1) == pytest.approx((0.5 + 0.3 + 0.2) / 3)


@pytest.mark.parametrize("measure", ALL)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_are_taken_with_a_gradient_and_in_any_float_type(
    measure: Callable[..., float], dtype: torch.dtype
) -> None:
    probs = torch.from_numpy(DYADIC_PROBS[:5]).to(dtype).requires_grad_()
    targets = torch.from_numpy(DYADIC_TARGETS[:5]).to(torch.int32)
    assert measure(probs, targets) == measure(DYADIC_PROBS[:5], DYADIC_TARGETS[:5].tolist())


@pytest.mark.parametrize("measure", BINNED)
@pytest.mark.parametrize("n_bins", [0, -1, 2.5, "ten"])
def test_a_number_of_bins_is_a_whole_number_above_zero(measure: Callable[..., float], n_bins: object) -> None:
    with pytest.raises(ValueError, match="n_bins"):
        measure(PRINTED_PROBS, PRINTED_TARGETS, n_bins)


def test_the_measures_need_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys, trainers.calibration.metrics, trainers.calibration.temperature, trainers.metrics.evaluate, "
        "trainers.outputs; print([m for m in ('torch', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
