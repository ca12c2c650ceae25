"""LADE: its regulariser, and the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import (
    assert_follows_with_counts,
    cross_entropy,
    extreme,
    ordinary,
    value_and_gradient,
)
from tests.trainers.losses.golden import CLASS_WEIGHTS, assert_golden
from tests.trainers.losses.golden import value_and_gradient as golden
from trainers.losses import build_loss


def regulariser(logits: Floats, targets: Integers, counts: Floats, remine_lambda: float) -> float:
    """Class by class, with the sums written out."""
    count, num_classes = logits.shape
    total = 0.0
    for each, share in enumerate(counts / counts.sum()):
        own = logits[targets == each, each]
        joint = own.sum() / (len(own) + 1e-8)
        ratios = logits[:, each] - np.log(share + 1e-9) + np.log(1 / num_classes + 1e-9)
        marginal = float(logsumexp(ratios)) - np.log(count)
        total -= share * (joint - marginal - remine_lambda * marginal**2)
    return float(total)


def test_golden_value_and_gradient() -> None:
    assert_golden(golden("lade"), 1.208015, [0.003122, 0.007928, 0.000169], 0.988420)


def test_golden_value_and_gradient_of_the_regulariser() -> None:
    (whole, gradient), (rest, rest_gradient) = golden("lade", alpha=1.0), golden("lade", alpha=0.0)
    assert_golden((whole - rest, gradient - rest_gradient), -1.156539, [0.086975, 0.024741, 0.000475], 0.570458)


@pytest.mark.parametrize(("alpha", "remine_lambda"), [(0.1, 0.01), (1.0, 0.1), (0.3, 0.0)])
def test_it_is_its_formula(alpha: float, remine_lambda: float) -> None:
    def formula(logits: Floats, targets: Integers, counts: Floats) -> float:
        shifted = cross_entropy(logits + np.log(counts / counts.sum() + 1e-9), targets)
        return shifted + alpha * regulariser(logits, targets, counts, remine_lambda)

    # Among them a batch of three, in which classes are absent.
    sets = (ordinary(), ordinary(3, 5))
    assert_follows_with_counts("lade", formula, sets, alpha=alpha, remine_lambda=remine_lambda)
    logits, targets = extreme()
    loss = build_loss("lade", num_classes=4, class_counts=[40, 100, 9, 1], alpha=alpha, remine_lambda=remine_lambda)
    expected = formula(logits, targets, np.array([40.0, 100.0, 9.0, 1.0]))
    np.testing.assert_allclose(value_and_gradient(loss, logits, targets)[0], expected, rtol=1e-12)


def test_absent_classes_still_have_a_gradient() -> None:
    # Alike logits, classes and none but label 0: cross entropy would leave (1/3 - 0) / 2 on each other class.
    logits = torch.zeros(2, 3, requires_grad=True)
    value = build_loss("lade", num_classes=3, class_counts=[5, 5, 5], alpha=1.0)(logits, torch.tensor([0, 0]))
    (gradient,) = torch.autograd.grad(value, logits)
    # The regulariser adds pi_c / N, and its square nothing where T2 is 0.
    torch.testing.assert_close(gradient[:, 1:], torch.full((2, 2), 1 / 6 + 1 / 6))


def test_class_weights_are_those_of_the_cross_entropy_alone() -> None:
    told = {"class_weights": torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)}
    difference = golden("lade", told=told)[0] - golden("bsce", told=told)[0]
    assert difference == pytest.approx(0.1 * -1.156539, abs=2e-7)
