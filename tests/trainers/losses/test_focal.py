"""Focal loss against values worked out by hand, and where the plain formula breaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows, log_rest, nll, one_hot, printed
from tests.trainers.losses.golden import CLASS_WEIGHTS, LOGITS, TARGETS, assert_golden, value_and_gradient
from trainers.errors import SpecError
from trainers.losses import build_loss


@pytest.mark.parametrize(
    ("gamma", "value", "row", "total"),
    [
        (1.0, 0.274488, [-0.021653, 0.017703, 0.003950], 0.643616),
        (1.5, 0.197549, [-0.012379, 0.010121, 0.002258], 0.541956),
        (2.0, 0.144715, [-0.006821, 0.005577, 0.001244], 0.451567),
    ],
)
def test_golden_value_and_gradient(gamma: float, value: float, row: list[float], total: float) -> None:
    assert_golden(value_and_gradient("focal", gamma=gamma), value, row, total)


def test_golden_value_and_gradient_of_the_sigmoid_form() -> None:
    assert_golden(value_and_gradient("focal", form="sigmoid"), 0.527652, total=0.757365)


@pytest.mark.parametrize(("gamma", "value"), [(0.5, 0.301273), (1.0, 0.204090), (2.0, 0.095656)])
def test_golden_values_under_class_weights(gamma: float, value: float) -> None:
    weights = torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)
    assert_golden(value_and_gradient("focal", gamma=gamma, told={"class_weights": weights}), value)


def test_class_weights_keep_their_scale() -> None:
    # ICTTA's weights, whose mean is far from 1.
    weights = torch.tensor([2.4, 4.5, 8.0], dtype=torch.float64)
    assert_golden(value_and_gradient("focal", gamma=1.5, told={"class_weights": weights}), 0.954881, total=2.630290)


def test_a_class_weight_does_not_leak_into_the_power() -> None:
    # LDAM's repository has p = exp(-w * nll).
    weights = torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)
    logits = torch.tensor(LOGITS, dtype=torch.float64)
    weighted = F.cross_entropy(logits, TARGETS, weight=weights, reduction="none")
    leaking = float(((1 - torch.exp(-weighted)) * weighted).mean())
    assert leaking == pytest.approx(0.307380, abs=6e-7)
    assert value_and_gradient("focal", gamma=1.0, told={"class_weights": weights})[0] < 0.7 * leaking


@pytest.mark.parametrize(
    ("gamma", "value"), [(1.0, 0.5934774216), (2.0, 0.4788485368), (3.0, 0.4023931442), (5.0, 0.3015648887)]
)
def test_golden_values_of_the_printed_samples(gamma: float, value: float) -> None:
    assert printed("focal", gamma=gamma) == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize("gamma", [0.0, 0.2, 1.0, 3.0, 20.0])
def test_it_is_its_formula(gamma: float) -> None:
    def formula(logits: Floats, targets: Integers) -> float:
        return float((np.exp(gamma * log_rest(logits, targets)) * nll(logits, targets)).mean())

    assert_follows(build_loss("focal", num_classes=5, gamma=gamma), formula)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_sigmoid_form_is_its_formula(gamma: float) -> None:
    def formula(logits: Floats, targets: Integers) -> float:
        toward = np.where(one_hot(logits, targets) == 1, logits, -logits)
        log_q, log_rest_q = -np.logaddexp(0, -toward), -np.logaddexp(0, toward)
        return float(-(np.exp(gamma * log_rest_q) * log_q).sum(axis=1).mean())

    assert_follows(build_loss("focal", num_classes=5, gamma=gamma, form="sigmoid"), formula)


def test_the_sigmoid_form_with_gamma_0_is_torchs_binary_cross_entropy_summed_over_classes() -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64)
    binary = F.binary_cross_entropy_with_logits(logits, F.one_hot(TARGETS, 3).double(), reduction="sum") / 4
    assert value_and_gradient("focal", gamma=0.0, form="sigmoid")[0] == pytest.approx(float(binary), rel=1e-12)


def test_a_sample_that_is_hardly_known_keeps_its_weight_in_float32() -> None:
    # log(1 - p_y) as a difference of two logsumexps of 1e4 would be off by 1e-3, and a power of 20 by 2 %.
    logits, targets = torch.tensor([[9990.0, 1e4, 9999.0]]), torch.tensor([0])
    loss = build_loss("focal", num_classes=3, gamma=20.0)
    assert float(loss(logits, targets)) == pytest.approx(float(loss(logits.double(), targets)), rel=1e-5)


def test_the_default_gamma_is_2() -> None:
    assert value_and_gradient("focal")[0] == value_and_gradient("focal", gamma=2.0)[0]


def test_gamma_0_is_cross_entropy() -> None:
    loss, gradient = value_and_gradient("focal", gamma=0.0)
    expected, expected_gradient = value_and_gradient("ce")
    assert loss == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(gradient, expected_gradient)


def test_it_is_the_plain_formula_where_that_is_exact() -> None:
    logits = torch.randn(32, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    targets = torch.arange(32) % 7
    nll = F.cross_entropy(logits, targets, reduction="none")
    plain = ((1 - torch.exp(-nll)) ** 3 * nll).mean()
    torch.testing.assert_close(build_loss("focal", num_classes=7, gamma=3.0)(logits, targets), plain)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("scale", [1e4, -1e4])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_value_and_gradient_stay_finite_at_extreme_logits(gamma: float, scale: float, label: int) -> None:
    rows = [[scale, 0, -scale], [0, scale, scale], [scale, scale, scale], [-scale, -scale, scale]]
    logits = torch.tensor(rows, requires_grad=True)
    loss = build_loss("focal", num_classes=3, gamma=gamma)(logits, torch.full((4,), label))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_a_negative_gamma_is_refused() -> None:
    with pytest.raises(SpecError, match="must be at least 0"):
        build_loss("focal", num_classes=3, gamma=-1.0)
