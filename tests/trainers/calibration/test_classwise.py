from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_calibration_error

from tests.trainers.calibration.golden import (
    DYADIC_PROBS,
    DYADIC_TARGETS,
    PRINTED_PROBS,
    PRINTED_TARGETS,
    formula_logits,
    softmax,
)
from tests.trainers.calibration.strategies import Split, away_from_edges, followed, splits, tied
from trainers.calibration.gaps import Norm
from trainers.calibration.metrics import (
    adaptive_ece_per_class,
    classwise_adaptive_ece,
    classwise_ece,
    ece,
    ece_per_class,
    predclass_ece,
    predclass_ece_macro,
)

MEASURES: tuple[Callable[..., float], ...] = (
    classwise_ece,
    classwise_adaptive_ece,
    predclass_ece,
    predclass_ece_macro,
)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (classwise_adaptive_ece, {5: 0.638 / 3, 10: 0.842 / 3, 15: 0.842 / 3}),
        (predclass_ece, {5: 0.147, 10: 0.369, 15: 0.369}),
        (predclass_ece_macro, {5: 0.1277778, 10: 0.3666667, 15: 0.3666667}),
    ],
)
def test_ten_printed_rows_give_the_known_values(measure: Callable[..., float], expected: dict[int, float]) -> None:
    found = {n_bins: measure(PRINTED_PROBS, PRINTED_TARGETS, n_bins) for n_bins in expected}
    assert found == pytest.approx(expected, abs=5e-8)


def test_ten_printed_rows_give_the_known_values_of_each_class() -> None:
    found = [ece_per_class(PRINTED_PROBS, PRINTED_TARGETS, n_bins).tolist() for n_bins in (5, 10, 15)]
    expected = [[0.215, 0.184, 0.077], [0.243, 0.288, 0.189], [0.291, 0.306, 0.223]]
    assert np.array(found) == pytest.approx(np.array(expected), abs=1e-12)


def test_a_thousand_samples_give_the_known_values() -> None:
    logits, targets = formula_logits()
    found = [measure(softmax(logits), targets) for measure in MEASURES[:3]]
    assert found == pytest.approx([0.0367556186, 0.0342218864, 0.1553291580], abs=1e-10)


def test_on_edges_the_rule_of_torchmetrics_gives_its_value() -> None:
    found = classwise_ece(DYADIC_PROBS, DYADIC_TARGETS, 4, edges="left_open_one")
    assert found == pytest.approx(0.2380952381, abs=1e-10)


@settings(deadline=None, max_examples=30)
@given(splits(), st.integers(1, 30), st.sampled_from(["l1", "l2", "max"]))
def test_each_class_agrees_with_the_binary_error_of_torchmetrics(split: Split, n_bins: int, norm: Norm) -> None:
    probs, targets = split
    assume(away_from_edges(probs, n_bins))
    theirs = [
        float(binary_calibration_error(torch.from_numpy(column.copy()), labels, n_bins=n_bins, norm=norm))
        for column, labels in zip(probs.T, torch.from_numpy(np.eye(probs.shape[1], dtype=int)[targets].T), strict=True)
    ]
    assert ece_per_class(probs, targets, n_bins, norm=norm) == pytest.approx(np.array(theirs), abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.one_of(splits(), tied()), st.integers(1, 40), st.sampled_from(["l1", "l2", "max"]))
def test_each_class_is_cut_into_the_chunks_of_its_sorted_column(split: Split, n_bins: int, norm: Norm) -> None:
    probs, targets = split
    expected = []
    for label, column in enumerate(probs.T):
        chunks = [chunk for chunk in np.array_split(np.argsort(column, kind="stable"), n_bins) if len(chunk)]
        shares = np.array([len(chunk) for chunk in chunks]) / len(column)
        gaps = np.array([abs(column[chunk].mean() - (targets[chunk] == label).mean()) for chunk in chunks])
        norms = {"l1": (shares * gaps).sum(), "l2": np.sqrt((shares * gaps**2).sum()), "max": gaps.max()}
        expected.append(norms[norm])
    found = adaptive_ece_per_class(probs, targets, n_bins, norm=norm)
    assert found == pytest.approx(np.array(expected), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(followed(), st.integers(1, 30), st.sampled_from(["l1", "l2", "max"]))
def test_by_predicted_class_each_group_has_its_own_error(split: Split, n_bins: int, norm: Norm) -> None:
    probs, targets = split
    groups = [probs.argmax(axis=1) == label for label in np.unique(probs.argmax(axis=1))]
    errors = np.array([ece(probs[group], targets[group], n_bins, norm=norm) for group in groups])
    weights = np.array([group.mean() for group in groups])
    assert predclass_ece(probs, targets, n_bins, norm=norm) == pytest.approx((weights * errors).sum(), abs=1e-12)
    assert predclass_ece_macro(probs, targets, n_bins, norm=norm) == pytest.approx(errors.mean(), abs=1e-12)


def test_the_means_are_those_of_the_classes() -> None:
    for mean, each in ((classwise_ece, ece_per_class), (classwise_adaptive_ece, adaptive_ece_per_class)):
        assert mean(PRINTED_PROBS, PRINTED_TARGETS) == each(PRINTED_PROBS, PRINTED_TARGETS).mean()


@pytest.mark.parametrize("measure", MEASURES)
def test_a_setting_that_is_none_is_refused(measure: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="norm must be one of"):
        measure(PRINTED_PROBS, PRINTED_TARGETS, norm="mean")
    with pytest.raises(ValueError, match="n_bins must be at least 1"):
        measure(PRINTED_PROBS, PRINTED_TARGETS, 0)
