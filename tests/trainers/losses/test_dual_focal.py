"""Dual focal loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.trainers.calibration.golden import PRINTED_TARGETS, Floats, Integers
from tests.trainers.losses.formulas import PRINTED_LOGITS, assert_follows, log_probs, log_rest, nll, printed
from trainers.losses import build_loss
from trainers.losses.label_probs import LabelProbs


def log_next(logits: Floats, targets: Integers) -> Floats:
    """log q, found sample by sample."""
    found = []
    for row, label in zip(log_probs(logits), targets, strict=True):
        below = [value for value in row if value < row[label]]
        found.append(max(below, default=-np.inf))
    return np.array(found)


def dual(logits: Floats, targets: Integers, gamma: float) -> float:
    log_base = np.logaddexp(log_rest(logits, targets), log_next(logits, targets))
    return float((np.exp(gamma * log_base) * nll(logits, targets)).mean())


@pytest.mark.parametrize(
    ("gamma", "value"), [(5.0, 0.4778847322), (3.0, 0.5648292994), (2.0, 0.6206222945), (1.0, 0.6925499045)]
)
def test_golden_values(gamma: float, value: float) -> None:
    assert printed("dual_focal", gamma=gamma) == pytest.approx(value, abs=1e-10)


def test_golden_next_below() -> None:
    label = LabelProbs.of(torch.from_numpy(PRINTED_LOGITS), torch.from_numpy(PRINTED_TARGETS))
    expected = [0.03, 0.05, 0.05, 0.17, 0.18, 0, 0.31, 0.23, 0.02, 0.35]
    assert label.log_next_below().exp().tolist() == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.6, 5.0])
def test_it_is_its_formula(gamma: float) -> None:
    assert_follows(build_loss("dual_focal", num_classes=5, gamma=gamma), lambda z, y: dual(z, y, gamma))


def test_gamma_0_is_cross_entropy() -> None:
    assert printed("dual_focal", gamma=0.0) == pytest.approx(printed("ce"), abs=1e-12)


def test_where_all_classes_are_equal_none_is_below() -> None:
    even, targets = torch.zeros(1, 4, dtype=torch.float64), torch.tensor([2])
    value = build_loss("dual_focal", num_classes=4, gamma=2.0)(even, targets)
    assert float(value) == pytest.approx(0.75**2 * np.log(4), abs=1e-14)


def test_classes_that_share_the_next_place_share_its_gradient() -> None:
    logits = torch.tensor([[1.0, 0.2, 0.2, -3.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(build_loss("dual_focal", num_classes=4)(logits, torch.tensor([0])), logits)
    assert float(gradient[0, 1]) == float(gradient[0, 2])
