from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from trainers.prediction.choosing import LOGIT_ADJUSTMENT_GRID, balanced_scores, choose
from trainers.prediction.transforms import (
    averaged,
    ensembled,
    log_prior,
    logit_adjusted,
    normalised_rows,
    tau_normalised,
)

LOGITS = np.array([[2, 0.5, -1], [0.1, 0.3, 0.2], [-0.5, 1, 1.5], [1.2, -0.7, 0.4]])
TARGETS = np.array([0, 1, 2, 0])
COUNTS = np.array([100, 10, 1])
WEIGHT = np.array([[3, 4], [0.6, 0.8], [0, 2]])


def test_adjusted_for_a_hundred_to_one_every_row_is_of_the_rarest_class() -> None:
    adjusted = logit_adjusted(LOGITS, log_prior(COUNTS), 1.0)
    assert LOGITS.argmax(axis=1).tolist() == [0, 1, 2, 0]
    assert adjusted.argmax(axis=1).tolist() == [2, 2, 2, 2]
    divided = softmax(LOGITS, axis=1) / COUNTS
    assert softmax(adjusted, axis=1) == pytest.approx(divided / divided.sum(axis=1, keepdims=True))


def test_a_class_without_an_image_cannot_be_adjusted_for() -> None:
    with pytest.raises(ValueError, match="class 1 has no training image"):
        log_prior(np.array([3, 0]))


@pytest.mark.parametrize(
    ("tau", "rows"),
    [
        (0.5, [[1.341641, 1.788854], [0.6, 0.8], [0, 1.414214]]),
        (1.0, [[0.6, 0.8], [0.6, 0.8], [0, 1]]),
        (0.0, WEIGHT.tolist()),
    ],
)
def test_rows_of_a_head_divided_by_a_power_of_their_norms(tau: float, rows: list[list[float]]) -> None:
    assert normalised_rows(WEIGHT, tau) == pytest.approx(np.array(rows), abs=1e-6)
    features, bias = np.array([[1.0, 2.0], [-0.3, 0.1]]), np.array([0.1, -0.2, 0.3])
    logits = features @ WEIGHT.T + bias
    assert tau_normalised(logits, WEIGHT, bias, tau) == pytest.approx(features @ np.array(rows).T + bias, abs=1e-5)


def test_a_row_of_zeros_stays_as_it_is() -> None:
    weight = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert normalised_rows(weight, 1.0).tolist() == [[0, 0], [0.6, 0.8]]
    assert tau_normalised(np.array([[0.5, 5.5]]), weight, np.full(2, 0.5), 1.0) == pytest.approx(np.array([[0.5, 1.5]]))


def test_an_ensemble_adds_probabilities_each_at_its_temperature() -> None:
    other = LOGITS[::-1] * 2
    summed = softmax(LOGITS / 1.5, axis=1) + softmax(other / 0.7, axis=1)
    mixed = ensembled(LOGITS, other, 1.5, 0.7)
    assert softmax(mixed, axis=1) == pytest.approx(summed / 2)
    assert mixed.argmax(axis=1).tolist() == summed.argmax(axis=1).tolist()


def test_probabilities_that_underflow_are_averaged_nevertheless() -> None:
    mean = averaged(np.array([[0.0, 2000.0]]), np.array([[0.0, 3000.0]]))
    assert np.isfinite(mean).all()
    assert mean == pytest.approx(np.array([[-2000 - np.log(2), 0.0]]))


def test_each_class_of_a_validation_split_weighs_alike_in_what_is_chosen_by() -> None:
    targets = np.array([0, 0, 0, 2])
    recall, likelihood = balanced_scores(LOGITS, targets)
    probs = softmax(LOGITS, axis=1)
    assert recall == pytest.approx((1 / 3 + 0) / 2)
    assert likelihood == pytest.approx((np.log(probs[:3, 0]).mean() + np.log(probs[3, 2])) / 2)


def test_what_is_chosen_for_a_long_tailed_split_finds_the_classes_alike() -> None:
    """Two Gaussians at -1 and 1 under a prior of 9 to 1: adjusted by tau 1 the boundary is 0, whatever the split."""
    draws = np.random.default_rng(0)
    prior = np.log([0.9, 0.1])
    for share in (0.5, 0.1):
        targets = (draws.random(20_000) < share).astype(np.int64)
        x = draws.normal(2.0 * targets - 1.0)
        logits = np.stack([-x, x], axis=1) + prior
        tau = choose(LOGIT_ADJUSTMENT_GRID, lambda value, z=logits: logit_adjusted(z, prior, value), targets)  # type: ignore[misc]
        assert tau == pytest.approx(1.0, abs=0.15)


def test_among_values_that_find_the_same_samples_the_likeliest_is_chosen_and_then_the_first() -> None:
    logits, targets = np.array([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]]), np.array([0, 1, 1])
    assert choose((3.0, 1.0, 0.25), lambda value: logits * value, targets) == 0.25
    assert choose((3.0, 1.0, 0.25), lambda _: logits, targets) == 3.0
