"""Label-aware smoothing in its four forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows_with_counts, log_probs, one_hot
from tests.trainers.losses.golden import LOGITS, TARGETS, assert_golden, value_and_gradient
from trainers.losses import build_loss
from trainers.losses.las import class_smoothing


@pytest.mark.parametrize(
    ("form", "value", "total", "middle"),
    [
        ("concave", 0.831282, 0.569426, 0.142694),
        ("linear", 0.830897, 0.574567, 0.127273),
        ("convex", 0.830291, 0.582640, 0.103054),
        ("exp", 0.830277, 0.582832, 0.102479),
    ],
)
def test_golden_value_and_gradient(form: str, value: float, total: float, middle: float) -> None:
    assert_golden(value_and_gradient("las", form=form), value, [0.013066, 0.010489, -0.023555], total)
    smoothing = class_smoothing([100, 10, 1], 0.4, 0.1, form, 2.0)
    assert smoothing.tolist() == pytest.approx([0.4, middle, 0.1], abs=6e-7)


def test_cifar_100_at_ratio_100() -> None:
    counts = [int(500 * 0.01 ** (each / 99)) for each in range(100)]
    smoothing = class_smoothing(counts, 0.4, 0.1, "concave", 2.0)
    assert smoothing[[0, 25, 50, 75, 99]].tolist() == pytest.approx([0.4, 0.2383, 0.1408, 0.1095, 0.1], abs=5e-5)


@pytest.mark.parametrize("form", ["concave", "linear", "convex", "exp"])
@pytest.mark.parametrize(("head", "tail"), [(0.4, 0.1), (0.3, 0.0), (0.0, 0.2)])
def test_it_is_its_formula(form: str, head: float, tail: float) -> None:
    def formula(logits: Floats, targets: Integers, counts: Floats) -> float:
        r = (counts - counts.min()) / (counts.max() - counts.min())
        eps = {
            "concave": tail + (head - tail) * np.sin(np.pi * r / 2),
            "linear": tail + (head - tail) * r,
            "convex": head + (head - tail) * np.sin(1.5 * np.pi + np.pi * r / 2),
            "exp": tail + (head - tail) * r**3,
        }[form][targets][:, None]
        soft = (1 - eps) * one_hot(logits, targets) + eps / logits.shape[1]
        return float(-(soft * log_probs(logits)).sum(axis=1).mean())

    assert_follows_with_counts("las", formula, form=form, smooth_head=head, smooth_tail=tail, power=3.0)


@pytest.mark.parametrize("form", ["concave", "linear", "convex", "exp"])
def test_alike_classes_are_smoothed_as_the_largest(form: str) -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64)
    value = build_loss("las", num_classes=3, class_counts=[5, 5, 5], form=form)(logits, TARGETS)
    torch.testing.assert_close(value, F.cross_entropy(logits, TARGETS, label_smoothing=0.4))


def test_the_preset_of_a_dataset() -> None:
    told = value_and_gradient("las", smooth_head=0.3, smooth_tail=0.0)[0]
    assert value_and_gradient("las", preset="cifar10")[0] == told
    assert value_and_gradient("las", preset="cifar100")[0] == value_and_gradient("las")[0]
