"""The calibration error with a gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, Floats
from tests.trainers.losses.formulas import extreme, log_probs, ordinary
from trainers.calibration.bins import top_label
from trainers.losses.smooth_ece import smooth_ece, soft_bin_gap


def sece(confidence: Floats, correct: Floats) -> float:
    """The definition, bin by bin."""
    centres = np.linspace(0, 1, 15)
    member = np.exp(-((confidence[:, None] - centres) ** 2) / (2 * 0.05**2))
    member /= member.sum(axis=1, keepdims=True) + 1e-8
    total = 0.0
    for column in member.T:
        if column.sum():
            gap = (column @ confidence - column @ correct) / column.sum()
            total += column.mean() * np.sqrt(gap**2 + 1e-12)
    return total


def test_golden_values() -> None:
    confidence, correct = top_label(PRINTED_PROBS, PRINTED_TARGETS)
    hard = soft_bin_gap(torch.from_numpy(confidence), torch.from_numpy(correct))
    assert float(hard) == pytest.approx(0.125989, abs=5e-7)
    label = PRINTED_PROBS[np.arange(10), PRINTED_TARGETS]
    assert float(soft_bin_gap(torch.from_numpy(confidence), torch.from_numpy(label))) == pytest.approx(0.15, abs=1e-8)


@pytest.mark.parametrize("logits_and_targets", [ordinary(300, 6), extreme(), ordinary(1, 3)])
def test_it_is_its_formula(logits_and_targets: tuple[Floats, Floats]) -> None:
    logits, targets = logits_and_targets
    scores = log_probs(logits)
    confidence, correct = np.exp(scores.max(axis=1)), (scores.argmax(axis=1) == targets).astype(float)
    found = smooth_ece(torch.from_numpy(logits), torch.from_numpy(targets))
    assert float(found) == pytest.approx(sece(confidence, correct), abs=1e-12)


def test_the_set_twice_has_the_same_error() -> None:
    logits, targets = (torch.from_numpy(part) for part in ordinary(50, 4))
    torch.testing.assert_close(
        smooth_ece(torch.cat([logits, logits]), torch.cat([targets, targets])), smooth_ece(logits, targets)
    )


def test_the_gradient_is_that_of_finite_differences() -> None:
    confidence = torch.tensor([0.42, 0.55, 0.71, 0.9, 0.999], dtype=torch.float64, requires_grad=True)
    correct = torch.tensor([0.0, 1, 0, 1, 1], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda c: soft_bin_gap(c, correct), (confidence,))


@pytest.mark.parametrize("value", [0.25, 1.0])
def test_bins_without_mass_have_a_finite_gradient_in_float32(value: float) -> None:
    confidence = torch.full((6,), value, requires_grad=True)
    (gradient,) = torch.autograd.grad(soft_bin_gap(confidence, torch.ones(6)), confidence)
    assert gradient.isfinite().all()
