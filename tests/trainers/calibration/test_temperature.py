from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, Floats, formula_logits, softmax
from trainers.calibration.inputs import Integers
from trainers.calibration.metrics import adaptive_ece, brier, classwise_ece, ece, nll
from trainers.calibration.softmax import log_softmax, nll_of_log_probs
from trainers.calibration.temperature import HIGHEST, LOWEST, fit_temperature


def loss(logits: Floats, targets: Integers, temperature: float) -> float:
    return nll_of_log_probs(log_softmax(logits / temperature), targets)


@st.composite
def splits(draw: st.DrawFn) -> tuple[Floats, Integers]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples, classes = draw(st.integers(1, 200)), draw(st.integers(2, 10))
    targets = rng.integers(0, classes, samples)
    logits = rng.normal(size=(samples, classes)) + draw(st.floats(0, 2)) * np.eye(classes)[targets]
    return logits * draw(st.floats(0.1, 10)), targets


def test_ten_rows_have_the_optimum_that_independent_solvers_found() -> None:
    logits = np.log(PRINTED_PROBS)
    temperature = fit_temperature(logits, PRINTED_TARGETS)
    assert temperature == pytest.approx(1.3199933282, abs=1e-9)
    probs = softmax(logits / temperature)
    found = [nll(probs, PRINTED_TARGETS), brier(probs, PRINTED_TARGETS)]
    found += [ece(probs, PRINTED_TARGETS, n_bins) for n_bins in (15, 5)]
    assert found == pytest.approx([0.7868773438, 0.4567948970, 0.3041934617, 0.0505431303], abs=1e-9)


def test_a_thousand_samples_have_their_known_optimum() -> None:
    logits, targets = formula_logits()
    temperature = fit_temperature(logits, targets)
    assert temperature == pytest.approx(1.5922145896, abs=1e-9)
    probs = softmax(logits / temperature)
    found = [measure(probs, targets) for measure in (nll, ece, adaptive_ece, classwise_ece, brier)]
    assert found == pytest.approx([1.6187544119, 0.0363120001, 0.0420546285, 0.0215983840, 0.7633991941], abs=1e-9)


def test_what_is_fitted_on_one_half_helps_the_other() -> None:
    logits, targets = formula_logits()
    temperature = fit_temperature(logits[:500], targets[:500])
    assert temperature == pytest.approx(1.5552628175, abs=1e-9)
    assert loss(logits[:500], targets[:500], temperature) == pytest.approx(1.6061347631, abs=1e-9)
    assert loss(logits[500:], targets[500:], 1.0) == pytest.approx(1.7270231691, abs=1e-9)
    probs = softmax(logits[500:] / temperature)
    found = [measure(probs, targets[500:]) for measure in (nll, brier, ece, adaptive_ece, classwise_ece)]
    assert found == pytest.approx([1.6317527435, 0.7690376965, 0.0556506823, 0.0843734840, 0.0287214828], abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(splits())
def test_no_temperature_in_the_range_fits_better(split: tuple[Floats, Integers]) -> None:
    temperature = fit_temperature(*split)
    assert LOWEST <= temperature <= HIGHEST
    bounds = (np.log(LOWEST), np.log(HIGHEST))
    searched = minimize_scalar(lambda u: loss(*split, np.exp(u)), bounds=bounds, method="bounded")
    least = min(searched.fun, loss(*split, 1.0), loss(*split, LOWEST), loss(*split, HIGHEST))
    assert loss(*split, temperature) <= least + 1e-12


@settings(deadline=None, max_examples=30)
@given(splits(), st.floats(0.5, 2))
def test_logits_times_a_factor_have_the_temperature_times_it(split: tuple[Floats, Integers], factor: float) -> None:
    logits, targets = split
    expected = np.clip(fit_temperature(logits, targets) * factor, LOWEST, HIGHEST)
    found = fit_temperature(logits * factor, targets)
    at_a_bound = {LOWEST, HIGHEST} & {found, fit_temperature(logits, targets)}
    assert at_a_bound or found == pytest.approx(expected, rel=1e-9)


def test_a_constant_added_to_a_row_changes_nothing() -> None:
    logits, targets = formula_logits()
    moved = logits + np.linspace(-50, 50, len(logits))[:, None]
    assert fit_temperature(moved, targets) == pytest.approx(fit_temperature(logits, targets), abs=1e-9)


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_a_split_without_a_mistake_ends_at_the_lower_bound(scale: float) -> None:
    targets = np.arange(12) % 3
    assert fit_temperature(scale * np.eye(3)[targets], targets) == LOWEST


def test_a_split_worse_than_chance_ends_at_the_upper_bound() -> None:
    targets = np.arange(12) % 3
    assert fit_temperature(-np.eye(3)[targets], targets) == HIGHEST


@pytest.mark.parametrize(("target", "bound"), [(0, LOWEST), (1, HIGHEST)])
def test_a_single_sample_is_all_or_nothing(target: int, bound: float) -> None:
    assert fit_temperature([[2.0, 0.5, 0.1]], [target]) == bound


def test_logits_that_say_nothing_leave_the_temperature_at_one() -> None:
    assert fit_temperature(np.full((4, 3), 7.0), [0, 1, 2, 0]) == 1.0


def test_huge_logits_are_no_trouble() -> None:
    logits, targets = formula_logits()
    assert fit_temperature(logits * 1e4, targets) == HIGHEST


def test_float32_tensors_are_taken() -> None:
    logits, targets = formula_logits()
    tensors = torch.from_numpy(logits).float().requires_grad_(), torch.from_numpy(targets)
    assert fit_temperature(*tensors) == pytest.approx(1.5922145896, abs=1e-6)


@pytest.mark.parametrize(
    ("logits", "targets", "complaint"),
    [
        ([[np.nan, 0.0]], [0], "logits holds NaN"),
        ([[0.0, 0.0]], [2], r"targets\[0\]"),
        (np.zeros((0, 2)), np.zeros(0, dtype=int), "logits is empty"),
    ],
)
def test_bad_input_is_refused_with_the_reason(logits: object, targets: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        fit_temperature(logits, targets)
