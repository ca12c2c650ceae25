"""Balanced softmax against values worked out by hand."""

from __future__ import annotations

import pytest
import torch

from tests.trainers.losses.golden import LOGITS, TARGETS, value_and_gradient
from trainers import build_loss
from trainers.errors import SpecError


def test_golden_value_and_gradient() -> None:
    value, gradient = value_and_gradient("bsce")
    assert value == pytest.approx(1.323669, abs=5e-7)
    assert gradient[0].tolist() == pytest.approx([-0.005576, 0.005454, 0.000122], abs=5e-7)
    assert float(gradient.abs().sum()) == pytest.approx(0.942525, abs=5e-7)


def test_counts_matter_only_by_their_ratios() -> None:
    logits = torch.tensor(LOGITS)
    small = build_loss("bsce", num_classes=3, class_counts=[100, 10, 1])(logits, TARGETS)
    torch.testing.assert_close(build_loss("bsce", num_classes=3, class_counts=[700, 70, 7])(logits, TARGETS), small)


def test_balanced_counts_give_cross_entropy() -> None:
    logits = torch.tensor(LOGITS)
    balanced = build_loss("bsce", num_classes=3, class_counts=[5, 5, 5])(logits, TARGETS)
    torch.testing.assert_close(balanced, build_loss("ce", num_classes=3)(logits, TARGETS))


@pytest.mark.parametrize(
    ("counts", "says"),
    [(None, "needs class_counts"), ([3, 4], "2 class_counts for 3 classes"), ([3, 0, 1], "at least one image")],
)
def test_counts_that_do_not_fit_are_refused(counts: list[int] | None, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        build_loss("bsce", num_classes=3, class_counts=counts)
