from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, Floats, Integers, formula_logits
from trainers.calibration.posthoc import fit
from trainers.calibration.posthoc.temperature import LBFGS, LBFGSSettings, lbfgs_temperature
from trainers.calibration.softmax import log_softmax, nll_of_log_probs
from trainers.calibration.temperature import HIGHEST, LOWEST, fit_temperature

Rows = tuple[Floats, Integers]


@st.composite
def splits(draw: st.DrawFn) -> Rows:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples, classes = draw(st.integers(3, 200)), draw(st.integers(2, 10))
    targets = rng.permutation(np.arange(samples) % classes)
    logits = rng.normal(size=(samples, classes)) + draw(st.floats(0, 2)) * np.eye(classes)[targets]
    return logits * draw(st.floats(0.1, 10)), targets


@settings(deadline=None, max_examples=40)
@given(splits())
def test_two_solvers_and_a_search_agree(rows: Rows) -> None:
    logits, targets = rows

    def loss(log_temperature: float) -> float:
        return nll_of_log_probs(log_softmax(logits / np.exp(log_temperature)), targets)

    found = [
        float(fit("temperature", *rows, criterion=name).parameters["temperature"]) for name in ("nll", "nll_lbfgs")
    ]
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    assert LOWEST <= found[0] <= HIGHEST
    bounds = (np.log(LOWEST), np.log(HIGHEST))
    searched = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10}).fun
    assert loss(np.log(found[0])) <= searched + 1e-12


@settings(deadline=None, max_examples=20)
@given(splits(), st.sampled_from(["nll", "nll_lbfgs", "ece_grid", "nll_grid"]))
def test_the_predicted_class_stays(rows: Rows, criterion: str) -> None:
    calibrator = fit("temperature", *rows, criterion=criterion)
    assert calibrator.probs(rows[0]).argmax(axis=1).tolist() == rows[0].argmax(axis=1).tolist()
    assert calibrator.facts["acc_after"] == calibrator.facts["acc_before"]


@settings(deadline=None, max_examples=20)
@given(splits(), st.sampled_from(["nll", "nll_lbfgs", "nll_grid"]))
def test_the_fitted_split_never_gets_worse(rows: Rows, criterion: str) -> None:
    facts = fit("temperature", *rows, criterion=criterion).facts
    assert facts["nll_after"] <= facts["nll_before"] + 1e-12


@pytest.mark.parametrize(
    ("settings_", "expected"),
    [
        (LBFGSSettings(), 1.3199929),
        (LBFGSSettings(lr=0.1), 1.3198090),
        (dataclasses.replace(LBFGS["nll_lbfgs"], tolerance_change=1e-10), 1.3199932),
    ],
)
def test_lbfgs_ends_where_it_is_known_to(settings_: LBFGSSettings, expected: float) -> None:
    found = lbfgs_temperature(np.log(PRINTED_PROBS), PRINTED_TARGETS, settings_)
    assert found == pytest.approx(expected, abs=1e-7)


def test_a_loose_tolerance_stops_lbfgs_short_on_a_thousand_rows() -> None:
    loose = dataclasses.replace(LBFGS["nll_lbfgs"], tolerance_change=1e-10)
    assert lbfgs_temperature(*formula_logits(), loose) == pytest.approx(1.5922089, abs=1e-7)


def test_of_equal_errors_the_grid_takes_the_first() -> None:
    targets = np.arange(12) % 3
    for criterion in ("ece_grid", "nll_grid"):
        calibrator = fit("temperature", 1e4 * np.eye(3)[targets], targets, criterion=criterion)
        assert calibrator.parameters["temperature"] == 0.1


@pytest.mark.parametrize(("sign", "bound"), [(1, LOWEST), (-1, HIGHEST), (100, LOWEST)])
def test_where_lbfgs_has_no_optimum_to_find_the_bound_is_taken(sign: int, bound: float) -> None:
    targets = np.arange(12) % 3
    assert fit("temperature", sign * np.eye(3)[targets], targets, criterion="nll_lbfgs").parameters == {
        "temperature": bound
    }


@pytest.mark.parametrize("criterion", ["nll_seed", "nll_gpleiss"])
def test_published_steps_that_leave_the_positive_numbers_are_refused(criterion: str) -> None:
    targets = np.arange(12) % 3
    with pytest.raises(ValueError, match=f"criterion {criterion} stepped to a temperature of -.*; use criterion nll"):
        fit("temperature", 2 * np.eye(3)[targets], targets, criterion=criterion)


def test_the_slope_of_the_nll_vanishes_at_the_optimum() -> None:
    logits, targets = formula_logits()
    at, step = 1 / fit_temperature(logits, targets), 1e-4
    above, below = (nll_of_log_probs(log_softmax(logits * (at + move)), targets) for move in (step, -step))
    assert (above - below) / (2 * step) == pytest.approx(0, abs=1e-7)
