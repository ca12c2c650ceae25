"""Known values: fitted on rows 0 to 499 of the thousand by formula, scored on the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, formula_logits, softmax
from trainers.calibration.metrics import adaptive_ece, brier, classwise_ece, ece, nll
from trainers.calibration.posthoc import Calibrator, fit

LOGITS, TARGETS = formula_logits()
PRINTED = (np.log(PRINTED_PROBS), PRINTED_TARGETS)


def accuracy(probs: Any, targets: Any) -> float:
    return float((probs.argmax(axis=1) == targets).mean())


def fitted_on_one_half(name: str, **options: Any) -> Calibrator:
    return fit(name, LOGITS[:500], TARGETS[:500], **options)


def assert_scores(calibrator: Calibrator, expected: dict[Callable[..., float], float], abs_: float = 2e-9) -> None:
    probs = calibrator.probs(LOGITS[500:])
    found = {measure: measure(probs, TARGETS[500:]) for measure in expected}
    assert found == pytest.approx(expected, abs=abs_)


def test_uncalibrated() -> None:
    probs = softmax(LOGITS[500:])
    found = [measure(probs, TARGETS[500:]) for measure in (nll, brier, ece, adaptive_ece, classwise_ece, accuracy)]
    expected = [1.7270231691, 0.7982743158, 0.1295490325, 0.1353829080, 0.0420527581, 0.322]
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("criterion", ["nll", "nll_lbfgs"])
def test_temperature(criterion: str) -> None:
    calibrator = fitted_on_one_half("temperature", criterion=criterion)
    assert calibrator.parameters["temperature"] == pytest.approx(1.5552628175, abs=1e-9)
    assert calibrator.facts["nll_after"] == pytest.approx(1.6061347631, abs=1e-10)
    expected = {nll: 1.6317527435, brier: 0.7690376965, ece: 0.0556506823, adaptive_ece: 0.0843734840}
    assert_scores(calibrator, {**expected, classwise_ece: 0.0287214828, accuracy: 0.322}, 1e-9)


def test_vector() -> None:
    calibrator = fitted_on_one_half("vector")
    assert calibrator.facts["nll_after"] == pytest.approx(1.5886601091, abs=1e-10)
    assert_scores(calibrator, {nll: 1.6504482651, brier: 0.7747690026, ece: 0.0559947365, accuracy: 0.314})
    assert np.sum(calibrator.parameters["bias"]) == pytest.approx(0, abs=1e-12)


def test_matrix_without_a_penalty() -> None:
    calibrator = fitted_on_one_half("matrix", lam=0.0, mu=0)
    assert calibrator.facts["nll_after"] == pytest.approx(1.5298625562, abs=1e-10)
    assert_scores(calibrator, {nll: 1.7129942058, brier: 0.7921952492, accuracy: 0.314})


def test_matrix() -> None:
    calibrator = fitted_on_one_half("matrix")
    assert calibrator.facts["objective"] == pytest.approx(1.5320006983, abs=1e-10)
    assert_scores(calibrator, {nll: 1.7070210123, brier: 0.7914378126, accuracy: 0.300})


def test_histogram() -> None:
    assert_scores(fitted_on_one_half("histogram"), {brier: 0.8173972763, ece: 0.1226150869, accuracy: 0.278}, 1e-10)


def test_isotonic() -> None:
    assert_scores(fitted_on_one_half("isotonic"), {brier: 0.7873805939, ece: 0.0876402320, accuracy: 0.300}, 1e-10)


@pytest.mark.parametrize("criterion", ["nll", "nll_lbfgs"])
def test_temperature_of_ten_rows(criterion: str) -> None:
    calibrator = fit("temperature", *PRINTED, criterion=criterion)
    assert calibrator.parameters["temperature"] == pytest.approx(1.3199933282, abs=1e-9)
    probs = calibrator.probs(PRINTED[0])
    found = [nll(probs, PRINTED_TARGETS), brier(probs, PRINTED_TARGETS)]
    found += [ece(probs, PRINTED_TARGETS, n_bins) for n_bins in (15, 5)]
    assert found == pytest.approx([0.7868773438, 0.4567948970, 0.3041934617, 0.0505431303], abs=1e-9)


@pytest.mark.parametrize(("criterion", "within"), [("nll", 1e-10), ("nll_lbfgs", 1e-8)])
def test_temperature_of_a_thousand_rows(criterion: str, within: float) -> None:
    calibrator = fit("temperature", LOGITS, TARGETS, criterion=criterion)
    assert calibrator.parameters["temperature"] == pytest.approx(1.5922145896, abs=within)
    probs = calibrator.probs(LOGITS)
    found = [measure(probs, TARGETS) for measure in (nll, ece, adaptive_ece, classwise_ece, brier)]
    expected = [1.6187544119, 0.0363120001, 0.0420546285, 0.0215983840, 0.7633991941]
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("options", "temperature", "measure", "value"),
    [
        ({"criterion": "ece_grid"}, 1.2, ece, 0.1957296),
        ({"criterion": "ece_grid", "n_bins": 5}, 1.3, lambda probs, targets: ece(probs, targets, 5), 0.0497894),
        ({"criterion": "nll_grid"}, 1.3, nll, 0.7869261),
    ],
)
def test_grids_on_ten_rows(
    options: dict[str, Any], temperature: float, measure: Callable[..., float], value: float
) -> None:
    calibrator = fit("temperature", *PRINTED, **options)
    assert calibrator.parameters["temperature"] == temperature
    assert measure(calibrator.probs(PRINTED[0]), PRINTED_TARGETS) == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize(
    ("criterion", "temperature", "measure", "value"),
    [("ece_grid", 1.9, ece, 0.0184839), ("nll_grid", 1.6, nll, 1.6187625)],
)
def test_grids_on_a_thousand_rows(
    criterion: str, temperature: float, measure: Callable[..., float], value: float
) -> None:
    calibrator = fit("temperature", LOGITS, TARGETS, criterion=criterion)
    assert calibrator.parameters["temperature"] == temperature
    assert measure(calibrator.probs(LOGITS), TARGETS) == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize(
    ("criterion", "ten", "thousand"),
    [("nll_seed", 1.0872509, 1.1356746), ("nll_gpleiss", 1.3385417, 1.5783940)],
)
def test_published_programs_stop_short_of_the_optimum(criterion: str, ten: float, thousand: float) -> None:
    found = [
        fit("temperature", *rows, criterion=criterion).parameters["temperature"]
        for rows in (PRINTED, (LOGITS, TARGETS))
    ]
    assert found == pytest.approx([ten, thousand], abs=1e-7)
