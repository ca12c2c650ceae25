"""Focal loss against values worked out by hand, and where the plain formula breaks."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.trainers.losses.golden import value_and_gradient
from trainers import build_loss
from trainers.errors import SpecError


@pytest.mark.parametrize(
    ("gamma", "value", "row", "total"),
    [
        (1.0, 0.274488, [-0.021653, 0.017703, 0.003950], 0.643616),
        (1.5, 0.197549, [-0.012379, 0.010121, 0.002258], 0.541956),
        (2.0, 0.144715, [-0.006821, 0.005577, 0.001244], 0.451567),
    ],
)
def test_golden_value_and_gradient(gamma: float, value: float, row: list[float], total: float) -> None:
    loss, gradient = value_and_gradient("focal", gamma=gamma)
    assert loss == pytest.approx(value, abs=5e-7)
    assert gradient[0].tolist() == pytest.approx(row, abs=5e-7)
    assert float(gradient.abs().sum()) == pytest.approx(total, abs=5e-7)


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
