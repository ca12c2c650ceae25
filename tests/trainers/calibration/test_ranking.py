from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, formula_logits, softmax
from tests.trainers.calibration.strategies import Split, followed, tied
from trainers.calibration.bins import top_label
from trainers.calibration.metrics import (
    augrc,
    aurc,
    auroc,
    coverage_at_risk,
    e_aurc,
    risk_at_coverage,
    risk_coverage,
)
from trainers.calibration.ranking import risk_curve


def test_ten_printed_rows_have_their_known_curve() -> None:
    coverages, risks = risk_coverage(PRINTED_PROBS, PRINTED_TARGETS)
    assert coverages == pytest.approx(np.arange(1, 11) / 10)
    assert risks == pytest.approx([0, 0, 0, 1 / 4, 1 / 5, 1 / 6, 2 / 7, 1 / 4, 1 / 3, 3 / 10])
    confidence, correct = top_label(PRINTED_PROBS, PRINTED_TARGETS)
    assert np.array_equal(risk_curve(confidence, correct.astype(bool)), (coverages, risks))


@pytest.mark.parametrize(
    ("measure", "settings_", "expected"),
    [
        (aurc, {}, 0.1785714286),
        (aurc, {"rule": "trapezoid"}, 0.1817460317),
        (e_aurc, {}, 0.1138492063),
        (augrc, {}, 0.13),
        (augrc, {"rule": "trapezoid"}, 0.1277777778),
        (auroc, {}, 2 / 3),
        (coverage_at_risk, {}, 0.3),
        (risk_at_coverage, {}, 0.25),
    ],
)
def test_ten_printed_rows_give_the_known_values(
    measure: Callable[..., float], settings_: dict[str, str], expected: float
) -> None:
    assert measure(PRINTED_PROBS, PRINTED_TARGETS, **settings_) == pytest.approx(expected, abs=1e-10)


def test_a_thousand_samples_give_the_known_values() -> None:
    logits, targets = formula_logits()
    split = softmax(logits), targets
    found = [aurc(*split), augrc(*split), coverage_at_risk(*split), risk_at_coverage(*split)]
    assert found == pytest.approx([0.5855270543, 0.309639, 0, 0.65125], abs=1e-10)
    assert aurc(*split, rule="trapezoid") == pytest.approx(0.5852763, abs=1e-7)


@settings(deadline=None, max_examples=80)
@given(st.one_of(followed(), tied()))
def test_areas_are_those_of_the_curve_in_stable_order(split: Split) -> None:
    confidence, correct = top_label(*split)
    errors = 1 - correct[np.argsort(-confidence, kind="stable")]
    counts = np.arange(1, len(errors) + 1)
    risks = np.cumsum(errors) / counts
    oracle = np.cumsum(np.sort(errors)) / counts
    assert aurc(*split) == pytest.approx(risks.mean(), abs=1e-12)
    assert e_aurc(*split) == pytest.approx(risks.mean() - oracle.mean(), abs=1e-12)
    assert augrc(*split) == pytest.approx((np.cumsum(errors) / len(errors)).mean(), abs=1e-12)
    if len(errors) > 1:
        coverages = counts / len(counts)
        expected = np.trapezoid(risks, coverages) / (1 - 1 / len(counts))
        assert aurc(*split, rule="trapezoid") == pytest.approx(expected, abs=1e-12)
    else:
        assert aurc(*split, rule="trapezoid") == risks[0]


@settings(deadline=None, max_examples=60)
@given(st.one_of(followed(), tied()))
def test_the_chance_that_right_beats_wrong_agrees_with_scikit_learn(split: Split) -> None:
    confidence, correct = top_label(*split)
    assume(0 < correct.sum() < len(correct))
    assert auroc(*split) == pytest.approx(roc_auc_score(correct, confidence), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(followed(), st.floats(0, 1), st.floats(0.01, 1))
def test_points_of_the_curve_are_read_off_it(split: Split, risk: float, coverage: float) -> None:
    coverages, risks = risk_coverage(*split)
    reached = coverages[risks <= risk]
    assert coverage_at_risk(*split, risk) == (reached.max() if reached.size else 0)
    at = risk_at_coverage(*split, coverage)
    assert at == risks[min(math.ceil(round(coverage * len(risks), 9)), len(risks)) - 1]


@pytest.mark.parametrize("targets", [[0, 0], [1, 1]])
def test_right_or_wrong_alone_cannot_be_ranked(targets: list[int]) -> None:
    with pytest.raises(ValueError, match="auroc needs right and wrong answers"):
        auroc([[0.75, 0.25], [0.625, 0.375]], targets)


def test_settings_out_of_range_are_refused() -> None:
    split = PRINTED_PROBS, PRINTED_TARGETS
    with pytest.raises(ValueError, match="rule must be one of mean, trapezoid"):
        aurc(*split, rule="simpson")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"risk must be within 0\.\.1"):
        coverage_at_risk(*split, 1.5)
    with pytest.raises(ValueError, match="coverage must be above 0"):
        risk_at_coverage(*split, 0.0)


def test_no_error_is_no_risk() -> None:
    targets = np.arange(7) % 4
    split = np.eye(4)[targets], targets
    assert [aurc(*split), e_aurc(*split), augrc(*split), risk_at_coverage(*split)] == [0, 0, 0, 0]
    assert coverage_at_risk(*split) == 1
