"""MDCA."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows, log_probs, log_rest, nll, one_hot, printed
from trainers.losses import build_loss


def class_gap(logits: Floats, targets: Integers) -> float:
    return float(np.abs(np.exp(log_probs(logits)).mean(axis=0) - one_hot(logits, targets).mean(axis=0)).mean())


def test_golden_value() -> None:
    assert printed("mdca") == pytest.approx(0.8051830685 + 0.0193333333, abs=1e-10)
    assert printed("mdca", gamma=1.0) == pytest.approx(0.5934774216 + 0.0193333333, abs=1e-10)


@pytest.mark.parametrize(("beta", "gamma"), [(1.0, 0.0), (10.0, 0.0), (1.0, 1.0)])
def test_it_is_its_formula(beta: float, gamma: float) -> None:
    def formula(logits: Floats, targets: Integers) -> float:
        focal = np.exp(gamma * log_rest(logits, targets)) * nll(logits, targets)
        return float(focal.mean()) + beta * class_gap(logits, targets)

    assert_follows(build_loss("mdca", num_classes=5, beta=beta, gamma=gamma), formula)


def test_a_batch_whose_classes_come_out_even_has_no_gap() -> None:
    # Each sample is wrong, and sure of it; as a batch they are right.
    logits = np.array([[50.0, 0.0], [0.0, 50.0]])
    assert class_gap(logits, np.array([1, 0])) == 0
    targets = np.array([1, 0])
    assert_follows(build_loss("mdca", num_classes=2, beta=0.0), lambda z, y: nll(z, y).mean(), ((logits, targets),))
