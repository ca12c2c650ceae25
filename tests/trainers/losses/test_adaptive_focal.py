"""Focal loss with a gamma by p_y (FLSD-53)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows, log_rest, nll, printed
from trainers.errors import SpecError
from trainers.losses import build_loss
from trainers.losses.adaptive_focal import gamma_of


def flsd(logits: Floats, targets: Integers, thresholds: list[float], gammas: list[float]) -> float:
    probs = np.exp(-nll(logits, targets))
    chosen = np.full(len(probs), gammas[0])
    for threshold, gamma in zip(thresholds, gammas[1:], strict=True):
        chosen[probs >= threshold] = gamma
    return float((np.exp(chosen * log_rest(logits, targets)) * nll(logits, targets)).mean())


def test_golden_value() -> None:
    assert printed("adaptive_focal") == pytest.approx(0.3388503971, abs=1e-10)


@pytest.mark.parametrize(
    ("thresholds", "gammas"), [([0.2], [5.0, 3.0]), ([0.2, 0.5], [5.0, 3.0, 2.0]), ([0.3], [0.0, 0.5]), ([], [1.5])]
)
def test_it_is_its_formula(thresholds: list[float], gammas: list[float]) -> None:
    loss = build_loss("adaptive_focal", num_classes=5, thresholds=thresholds, gammas=gammas)
    assert_follows(loss, lambda z, y: flsd(z, y, thresholds, gammas))


def test_a_sample_at_a_threshold_has_reached_it() -> None:
    even, targets = torch.zeros(1, 4, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)  # p_y = 1/4, exactly
    at = build_loss("adaptive_focal", num_classes=4, thresholds=[0.25], gammas=[5.0, 0.0])
    assert float(at(even, targets)) == pytest.approx(np.log(4), abs=1e-12)


@pytest.mark.parametrize(
    ("probability", "gamma"), [(0.1, 14.9240), (0.2, 4.8506), (0.25, 3.0702), (0.3, 1.9572), (0.4, 0.6805), (0.5, 0.0)]
)
def test_golden_gammas(probability: float, gamma: float) -> None:
    assert gamma_of(probability) == pytest.approx(gamma, abs=5e-5)


@pytest.mark.parametrize("probability", [0.02, 0.15, 0.33, 0.45])
def test_a_gamma_solves_what_it_is_to_solve(probability: float) -> None:
    def excess(gamma: float) -> float:
        rest = 1 - probability
        return float(rest**gamma - gamma * probability * rest ** (gamma - 1) * np.log(probability) - 1)

    assert gamma_of(probability) == pytest.approx(brentq(excess, 1e-3, 1e4), rel=1e-9)


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1, float("nan")])
def test_only_a_probability_has_a_gamma(probability: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        gamma_of(probability)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"thresholds": [0.5, 0.2], "gammas": [5.0, 3.0, 1.0]}, "do not rise"),
        ({"thresholds": [0.2, 0.5]}, "2 gammas for 2 thresholds"),
        ({"gammas": [5.0, -3.0]}, "at least 0"),
        ({"thresholds": [1.0]}, "less than 1"),
    ],
)
def test_what_makes_no_steps_is_refused(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        build_loss("adaptive_focal", num_classes=3, **parameters)
