"""The Brier score as a loss, alone and beside cross entropy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows, cross_entropy, log_probs, one_hot, printed
from trainers.losses import build_loss


def brier(logits: Floats, targets: Integers) -> float:
    return float(((np.exp(log_probs(logits)) - one_hot(logits, targets)) ** 2).sum(axis=1).mean())


def test_golden_values() -> None:
    assert printed("brier") == pytest.approx(0.46596, abs=1e-12)
    assert printed("ce_brier") == pytest.approx(0.8517790685, abs=1e-10)


def test_it_is_its_formula() -> None:
    assert_follows(build_loss("brier", num_classes=5), brier)


@pytest.mark.parametrize("weight", [0.0, 0.1, 3.0])
def test_beside_cross_entropy_it_is_its_formula(weight: float) -> None:
    loss = build_loss("ce_brier", num_classes=5, weight=weight)
    assert_follows(loss, lambda logits, targets: cross_entropy(logits, targets) + weight * brier(logits, targets))
