from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, Floats, formula_logits, softmax
from tests.trainers.calibration.strategies import Split, followed, tied
from trainers.calibration.bins import top_label
from trainers.calibration.metrics import conf_minus_acc, sece, smooth_ece
from trainers.calibration.smooth import smooth_reliability


def spread(places: Floats, weights: Floats, sigma: float, at: Floats) -> Floats:
    """Mean over samples of the weights times the Gaussian reflected at 0 and 1, image by image."""
    total = np.zeros(len(at))
    for image in range(-3, 4):
        for sign in (1, -1):
            away = (at[:, None] - (sign * places + 2 * image)) / sigma
            total += np.exp(-(away**2) / 2) @ weights
    return np.asarray(total / (sigma * math.sqrt(2 * math.pi) * len(places)))


def area(split: Split, sigma: float, nodes: int = 3001) -> float:
    confidence, correct = top_label(*split)
    return float(
        np.trapezoid(
            np.abs(spread(confidence, confidence - correct, sigma, np.linspace(0, 1, nodes))), dx=1 / (nodes - 1)
        )
    )


def test_ten_printed_rows_give_the_known_values() -> None:
    assert smooth_ece(PRINTED_PROBS, PRINTED_TARGETS) == pytest.approx(0.0857273, abs=1e-6)
    found = [smooth_ece(PRINTED_PROBS, PRINTED_TARGETS, sigma=sigma) for sigma in (0.02, 0.05, 0.1, 1.0)]
    assert found == pytest.approx([0.304593, 0.131844, 0.081874, 0.029], abs=1e-6)


def test_a_thousand_samples_give_the_known_value() -> None:
    logits, targets = formula_logits()
    assert smooth_ece(softmax(logits), targets) == pytest.approx(0.1190529, abs=1e-6)


@settings(deadline=None, max_examples=15)
@given(st.one_of(followed(), tied()), st.floats(0.02, 1))
def test_at_any_width_it_is_the_exact_sum(split: Split, sigma: float) -> None:
    assert smooth_ece(*split, sigma=sigma) == pytest.approx(area(split, sigma), abs=3e-6)


@settings(deadline=None, max_examples=6)
@given(followed(min_samples=50))
def test_the_value_is_the_width_at_which_the_exact_sum_equals_it(split: Split) -> None:
    value = smooth_ece(*split)
    # The area falls as the width grows, so the root is where the difference changes its sign.
    assert area(split, max(value - 3e-6, 1e-4)) > value - 3e-6
    assert area(split, value + 3e-6) < value + 3e-6


@settings(deadline=None, max_examples=20)
@given(followed())
def test_it_lies_between_the_signed_gap_and_the_mean_residual(split: Split) -> None:
    probs, targets = split
    confidence, correct = top_label(probs, targets)
    value = smooth_ece(probs, targets)
    assert abs(conf_minus_acc(probs, targets)) - 1e-6 <= value <= np.abs(confidence - correct).mean() + 1e-6
    assert smooth_ece(np.tile(probs, (2, 1)), np.tile(targets, 2)) == pytest.approx(value, abs=1e-9)


def test_without_a_residual_there_is_no_error() -> None:
    targets = np.arange(7) % 4
    assert smooth_ece(np.eye(4)[targets], targets) == 0
    assert smooth_ece(np.tile([0.75, 0.25], (8, 1)), [0, 0, 0, 1] * 2) == pytest.approx(0, abs=1e-6)


def test_always_sure_and_always_wrong_is_all_the_error_there_is() -> None:
    assert smooth_ece(np.tile([1.0, 0.0], (5, 1)), [1] * 5) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
def test_a_width_is_above_zero(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma must be above 0"):
        smooth_ece(PRINTED_PROBS, PRINTED_TARGETS, sigma=sigma)


def test_the_curve_of_the_diagram_is_the_quotient_of_two_exact_sums() -> None:
    confidence, correct = top_label(PRINTED_PROBS, PRINTED_TARGETS)
    at, accuracy, density = smooth_reliability(confidence, correct.astype(bool), 0.08)
    exact = spread(confidence, np.ones(10), 0.08, at[::128])
    assert density[::128] == pytest.approx(exact, abs=1e-5)
    seen = exact > 1e-2
    quotient = spread(confidence, correct, 0.08, at[::128])[seen] / exact[seen]
    assert accuracy[::128][seen] == pytest.approx(quotient, abs=1e-4)
    assert np.isnan(accuracy[0])  # no sample is near
    assert np.trapezoid(density, at) == pytest.approx(1, abs=1e-9)


def test_soft_bins_give_the_known_values() -> None:
    assert sece(PRINTED_PROBS, PRINTED_TARGETS) == pytest.approx(0.125989, abs=1e-6)
    assert sece(PRINTED_PROBS, PRINTED_TARGETS, correctness="soft") == pytest.approx(0.15, abs=1e-6)
    twice = np.tile(PRINTED_PROBS, (2, 1)), np.tile(PRINTED_TARGETS, 2)
    assert sece(*twice) == pytest.approx(sece(PRINTED_PROBS, PRINTED_TARGETS), abs=1e-12)
    with pytest.raises(ValueError, match="correctness must be one of hard, soft"):
        sece(PRINTED_PROBS, PRINTED_TARGETS, correctness="firm")  # type: ignore[arg-type]


@settings(deadline=None, max_examples=30)
@given(followed(), st.integers(1, 20), st.sampled_from(["hard", "soft"]))
def test_soft_bins_are_weighted_by_their_mass(
    split: Split, n_centres: int, correctness: Literal["hard", "soft"]
) -> None:
    probs, targets = split
    confidence, correct = top_label(probs, targets)
    outcome = correct if correctness == "hard" else probs[np.arange(len(targets)), targets]
    weights = np.exp(-((confidence[:, None] - np.linspace(0, 1, n_centres)) ** 2) / (2 * 0.05**2))
    weights /= weights.sum(axis=1, keepdims=True) + 1e-8
    seen = weights[:, weights.sum(axis=0) > 0]
    gaps = (confidence @ seen - outcome @ seen) / seen.sum(axis=0)
    expected = (seen.mean(axis=0) * np.sqrt(gaps**2 + 1e-12)).sum()
    assert sece(probs, targets, n_centres, correctness=correctness) == pytest.approx(expected, abs=1e-12)
