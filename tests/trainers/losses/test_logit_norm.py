"""Cross entropy of normalised logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows, cross_entropy, extreme, ordinary, printed, value_and_gradient
from trainers.losses import build_loss


def normalised(logits: Floats, targets: Integers, tau: float) -> float:
    return cross_entropy(logits / ((np.sqrt((logits**2).sum(axis=1, keepdims=True)) + 1e-7) * tau), targets)


@pytest.mark.parametrize(("tau", "value"), [(1.0, 0.9289959069), (0.04, 3.7533483887)])
def test_golden_values(tau: float, value: float) -> None:
    assert printed("logit_norm", tau=tau) == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize("tau", [0.04, 0.3, 1.0])
@pytest.mark.parametrize("logits_and_targets", [ordinary(), extreme()])
def test_it_is_its_formula(tau: float, logits_and_targets: tuple[Floats, Integers]) -> None:
    loss = build_loss("logit_norm", num_classes=5, tau=tau)
    assert_follows(loss, lambda z, y: normalised(z, y, tau), (logits_and_targets,))


def test_the_length_of_the_logits_does_not_matter() -> None:
    logits, targets = ordinary()
    loss = build_loss("logit_norm", num_classes=5)
    longer = value_and_gradient(loss, 1000 * logits, targets)[0]
    assert value_and_gradient(loss, logits, targets)[0] == pytest.approx(longer, rel=1e-5)


def test_logits_of_zero_have_a_gradient() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    value = build_loss("logit_norm", num_classes=3)(logits, torch.tensor([0, 1]))
    (gradient,) = torch.autograd.grad(value, logits)
    assert float(value.detach()) == pytest.approx(np.log(3))
    assert gradient.isfinite().all()
