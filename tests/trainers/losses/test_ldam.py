"""Label-distribution-aware margins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows_with_counts, cross_entropy, one_hot
from tests.trainers.losses.golden import TARGETS, assert_golden, value_and_gradient
from trainers.backbones.heads import CosineHead
from trainers.losses import build_loss

COSINES = [[0.6, 0.1, -0.3], [0, 0.3, 0.4], [-0.2, 0.1, 0.5], [0.3, 0.2, 0.1]]


def test_golden_value_and_gradient() -> None:
    value, gradient = value_and_gradient("ldam", logits=[[30 * cosine for cosine in row] for row in COSINES])
    # The reference's gradient is the one with respect to the cosines.
    assert_golden((value, 30 * gradient), 4.107499, [-0.000263, 0.000263, 0.0], 42.146652)


@pytest.mark.parametrize(("max_m", "scale"), [(0.5, 30.0), (0.5, 1.0), (0.2, 10.0), (0.0, 30.0)])
def test_it_is_its_formula(max_m: float, scale: float) -> None:
    def formula(logits: Floats, targets: Integers, counts: Floats) -> float:
        inverse = counts**-0.25
        margins = inverse * max_m / inverse.max()
        return cross_entropy(scale * (logits / scale - one_hot(logits, targets) * margins), targets)

    assert_follows_with_counts("ldam", formula, max_m=max_m, scale=scale)


@pytest.mark.parametrize(("label", "margin"), [(0, 0.158114), (1, 0.281171), (2, 0.5)])
def test_the_margin_of_a_class_is_what_its_cosine_has_to_be_ahead_by(label: int, margin: float) -> None:
    # A label ahead by exactly its margin is as likely as the one other class that counts.
    cosines = torch.full((1, 3), -1.0, dtype=torch.float64)
    cosines[0, label], cosines[0, (label + 1) % 3] = margin, 0.0
    loss = build_loss("ldam", num_classes=3, class_counts=[100, 10, 1])
    assert float(loss(30 * cosines, torch.tensor([label]))) == pytest.approx(np.log(2), abs=2e-5)


def test_it_is_as_on_a_head_of_another_scale_with_that_scale() -> None:
    torch.manual_seed(0)
    head = CosineHead(6, 3, scale=12.0)
    features = torch.randn(4, 6)
    cosines = CosineHead(6, 3, scale=1.0)
    cosines.load_state_dict(head.state_dict())
    loss = build_loss("ldam", num_classes=3, class_counts=[100, 10, 1], scale=12.0)
    margins = torch.tensor([0.158114, 0.281171, 0.5, 0.158114])
    shifted = 12 * (cosines(features) - margins.unsqueeze(1) * torch.eye(3)[TARGETS])
    torch.testing.assert_close(
        loss(head(features), TARGETS), torch.nn.functional.cross_entropy(shifted, TARGETS), rtol=1e-5, atol=1e-5
    )


def test_alike_classes_have_the_same_margin() -> None:
    logits = torch.tensor([[3.0, 3.0, 3.0]])
    loss = build_loss("ldam", num_classes=3, class_counts=[7, 7, 7], max_m=0.1)
    expected = torch.nn.functional.cross_entropy(torch.tensor([[3.0, 0.0, 3.0]]), torch.tensor([1]))
    torch.testing.assert_close(loss(logits, torch.tensor([1])), expected)
