"""Cross entropy and focal loss weighted by the effective number of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows_with_counts, effective_number, log_rest, nll
from tests.trainers.losses.golden import CLASS_COUNTS, LOGITS, TARGETS, assert_golden, value_and_gradient


def test_golden_value_and_gradient_of_cross_entropy() -> None:
    assert_golden(value_and_gradient("cb_ce"), 0.591297, [-0.001924, 0.001573, 0.000351], 0.884054)


@pytest.mark.parametrize(("gamma", "value"), [(0.5, 0.301273), (1.0, 0.204090), (2.0, 0.095656)])
def test_golden_values_of_focal_loss(gamma: float, value: float) -> None:
    assert_golden(value_and_gradient("cb_focal", gamma=gamma), value)


def test_the_plain_mean_keeps_the_scale_of_the_weights() -> None:
    found = value_and_gradient("cb_focal", gamma=0.0)
    assert_golden(found, 0.447487, [-0.001456, 0.001190, 0.000266], 0.669043)


def test_golden_value_and_gradient_of_the_sigmoid_form() -> None:
    assert_golden(value_and_gradient("cb_focal", gamma=1.0, form="sigmoid"), 0.876238, total=0.847484)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 0.9999])
def test_cross_entropy_is_torchs_with_these_weights(beta: float) -> None:
    weights = torch.from_numpy(effective_number(np.array(CLASS_COUNTS), beta))
    expected = F.cross_entropy(torch.tensor(LOGITS, dtype=torch.float64), TARGETS, weight=weights)
    assert value_and_gradient("cb_ce", beta=beta)[0] == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(("beta", "gamma"), [(0.9999, 0.5), (0.9, 2.0), (0.0, 0.0)])
def test_focal_loss_is_its_formula(beta: float, gamma: float) -> None:
    def formula(logits: Floats, targets: Integers, counts: Floats) -> float:
        weights = effective_number(counts, beta)[targets]
        return float((weights * np.exp(gamma * log_rest(logits, targets)) * nll(logits, targets)).mean())

    assert_follows_with_counts("cb_focal", formula, beta=beta, gamma=gamma)


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_focal_loss_is_focal_loss_with_class_weights(form: str) -> None:
    weights = torch.from_numpy(effective_number(np.array(CLASS_COUNTS), 0.9999))
    weighted = value_and_gradient("focal", gamma=1.5, form=form, told={"class_weights": weights})
    own = value_and_gradient("cb_focal", gamma=1.5, form=form)
    assert own[0] == pytest.approx(weighted[0], rel=1e-12)
    torch.testing.assert_close(own[1], weighted[1])
