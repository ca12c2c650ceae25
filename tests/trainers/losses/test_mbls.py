"""Margin-based label smoothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows, cross_entropy, printed
from trainers.losses import build_loss


def excess(logits: Floats, margin: float) -> float:
    return float(np.maximum(logits.max(axis=1, keepdims=True) - logits - margin, 0).mean())


def test_golden_values() -> None:
    assert printed("mbls", margin=1.0) == pytest.approx(0.8829990236, abs=1e-10)
    assert printed("mbls", margin=1.0, alpha=1.0) - printed("ce") == pytest.approx(0.7781595513, abs=1e-10)
    assert printed("mbls") == printed("ce")


@pytest.mark.parametrize(("alpha", "margin"), [(0.1, 10.0), (0.1, 1.0), (2.0, 0.0)])
def test_it_is_its_formula(alpha: float, margin: float) -> None:
    def formula(logits: Floats, targets: Integers) -> float:
        return cross_entropy(logits, targets) + alpha * excess(logits, margin)

    assert_follows(build_loss("mbls", num_classes=5, alpha=alpha, margin=margin), formula)
