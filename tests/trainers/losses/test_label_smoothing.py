"""Label smoothing in both conventions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses import golden
from tests.trainers.losses.formulas import (
    assert_follows,
    extreme,
    log_probs,
    one_hot,
    ordinary,
    printed,
    value_and_gradient,
)
from tests.trainers.losses.golden import assert_golden
from trainers.losses import build_loss


def smoothed(logits: Floats, targets: Integers, eps: float, convention: str) -> float:
    own, num_classes = one_hot(logits, targets), logits.shape[1]
    others = eps / num_classes if convention == "uniform" else eps / (num_classes - 1) * (1 - own)
    return float(-((1 - eps) * own + others).ravel() @ log_probs(logits).ravel() / len(targets))


@pytest.mark.parametrize(
    ("eps", "convention", "value"),
    [
        (0.05, "uniform", 0.8510331135),
        (0.05, "exclusive", 0.8739581360),
        (0.1, "uniform", 0.8968831586),
        (0.1, "exclusive", 0.9427332036),
    ],
)
def test_golden_values(eps: float, convention: str, value: float) -> None:
    assert printed("label_smoothing", eps=eps, convention=convention) == pytest.approx(value, abs=1e-10)


def test_the_divergence_from_the_target_is_the_exclusive_form_less_the_entropy_of_the_target() -> None:
    entropy = -(0.95 * math.log(0.95) + 2 * 0.025 * math.log(0.025))
    assert printed("label_smoothing", convention="exclusive") - entropy == pytest.approx(0.6407855337, abs=1e-10)


def test_the_default_is_uniform_0_05() -> None:
    assert printed("label_smoothing") == printed("label_smoothing", eps=0.05, convention="uniform")


@pytest.mark.parametrize(("eps", "value", "total"), [(0.1, 0.650215, 0.690521), (0.98, 1.383548, 0.496361)])
def test_golden_value_and_gradient(eps: float, value: float, total: float) -> None:
    assert_golden(golden.value_and_gradient("label_smoothing", eps=eps), value, total=total)


def test_class_weights_are_those_of_the_label() -> None:
    logits, targets = ordinary(40, 3)
    weights = np.array([0.2, 1.0, 5.0])
    terms = [smoothed(logits[[i]], targets[[i]], 0.3, "uniform") for i in range(40)]
    loss = build_loss("label_smoothing", num_classes=3, eps=0.3)
    value = loss(torch.from_numpy(logits), torch.from_numpy(targets), class_weights=torch.from_numpy(weights))
    np.testing.assert_allclose(float(value), np.average(terms, weights=weights[targets]), rtol=1e-12)


@pytest.mark.parametrize("convention", ["uniform", "exclusive"])
@pytest.mark.parametrize("eps", [0.0, 0.05, 0.9])
def test_it_is_its_formula(eps: float, convention: str) -> None:
    for logits, targets in (ordinary(), ordinary(6, 2), extreme()):
        loss = build_loss("label_smoothing", num_classes=logits.shape[1], eps=eps, convention=convention)
        assert_follows(loss, lambda z, y: smoothed(z, y, eps, convention), ((logits, targets),))


def test_uniform_is_what_torch_has() -> None:
    logits, targets = ordinary(40, 7)
    expected = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets), label_smoothing=0.3)
    loss = build_loss("label_smoothing", num_classes=7, eps=0.3)
    np.testing.assert_allclose(value_and_gradient(loss, logits, targets)[0], float(expected), rtol=1e-13)


def test_exclusive_is_uniform_with_more() -> None:
    exclusive = printed("label_smoothing", eps=0.1 * 2 / 3, convention="exclusive")
    assert printed("label_smoothing", eps=0.1) == pytest.approx(exclusive, abs=1e-14)
