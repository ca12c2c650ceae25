from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.metrics import log_loss

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, formula_logits
from tests.trainers.calibration.strategies import Split, splits
from trainers.calibration.metrics import brier, nll, nll_of_logits, top_label_brier


def test_ten_printed_rows_give_the_known_values() -> None:
    assert brier(PRINTED_PROBS, PRINTED_TARGETS, scale="half") == pytest.approx(0.23298, abs=1e-12)
    assert brier(PRINTED_PROBS, PRINTED_TARGETS, scale="mean") == pytest.approx(0.46596 / 3, abs=1e-12)
    assert top_label_brier(PRINTED_PROBS, PRINTED_TARGETS) == pytest.approx(0.20571, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(splits())
def test_logits_and_their_probabilities_score_the_same(split: Split) -> None:
    probs, targets = split
    logits = np.log(probs) + 3
    expected = log_loss(targets, probs, labels=np.arange(probs.shape[1]))
    assert nll(logits=logits, targets=targets) == pytest.approx(expected, rel=1e-9)
    assert brier(logits=logits, targets=targets) == pytest.approx(brier(probs, targets), rel=1e-9)


def test_where_a_probability_underflows_only_the_logits_know_the_cost() -> None:
    logits = np.array([[800.0, 0.0], [0.0, 1.0]])
    probs = np.array([[1.0, 0.0], [0.25, 0.75]])
    assert nll(probs, [1, 1]) == math.inf
    assert nll(logits=logits, targets=[1, 1]) == pytest.approx((800 + math.log(1 + math.exp(-1))) / 2)


def test_the_two_doors_to_the_nll_of_logits_are_one() -> None:
    logits, targets = formula_logits()
    assert nll_of_logits(logits, targets) == nll(logits=logits, targets=targets)


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="scale must be one of sum, half, mean, not 'double'"):
        brier(PRINTED_PROBS, PRINTED_TARGETS, scale="double")  # type: ignore[arg-type]
