"""MMCE in its three variants."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows, cross_entropy, extreme, log_probs, ordinary, printed
from trainers.losses import build_loss


def mmce(logits: Floats, targets: Integers, variant: str) -> float:
    """The definition, pair by pair; a - r of `plain` is a constant, so its gradient is another function's."""
    scores = log_probs(logits)
    confidence, right = np.exp(scores.max(axis=1)), scores.argmax(axis=1) == targets
    pairs = np.exp(-np.abs(confidence[:, None] - confidence) / 0.4)
    if variant == "plain":
        residual = right - confidence
        return float(np.sqrt(max((residual[:, None] * pairs * residual).mean(), 0) + 1e-10))
    m, n = right.sum(), (~right).sum()
    if m == 0 or n == 0:
        return 0.0
    unsure, sure = 1 - confidence[right], confidence[~right]
    of_right = (unsure[:, None] * pairs[np.ix_(right, right)] * unsure).sum() / m**2
    of_wrong = (sure[:, None] * pairs[np.ix_(~right, ~right)] * sure).sum() / n**2
    mixed = (unsure[:, None] * pairs[np.ix_(right, ~right)] * sure).sum() / (m * n)
    if variant == "reference_quirk":
        of_right, of_wrong, mixed = of_right / (m**2 + 1e-5), of_wrong / (n**2 + 1e-5), mixed / (m * n + 1e-5)
    return float(np.sqrt(max(of_right + of_wrong - 2 * mixed, 0) + 1e-10))


def held(logits: Floats, targets: Integers, at: Floats) -> float:
    """`plain` with its residuals as they are at other logits."""
    scores = log_probs(at)
    residual = (scores.argmax(axis=1) == targets) - np.exp(scores.max(axis=1))
    confidence = np.exp(log_probs(logits).max(axis=1))
    pairs = np.exp(-np.abs(confidence[:, None] - confidence) / 0.4)
    return float(np.sqrt(max((residual[:, None] * pairs * residual).mean(), 0) + 1e-10))


@pytest.mark.parametrize(
    ("variant", "value"), [("plain", 0.0671798573), ("weighted", 0.3799389976), ("reference_quirk", 0.1593659299)]
)
def test_golden_values(variant: str, value: float) -> None:
    term = printed("mmce", variant=variant, lam=1.0) - printed("ce")
    assert term == pytest.approx(value, abs=1e-9)
    if variant == "plain":
        assert term**2 == pytest.approx(0.0045131332, abs=2e-10)
    if variant == "reference_quirk":  # without the 1e-5 of the published code
        assert term == pytest.approx(0.1593660355, abs=2e-7)


def test_the_default_is_twice_the_weighted() -> None:
    assert printed("mmce") == pytest.approx(0.8051830685 + 2 * 0.3799389976, abs=1e-9)


@pytest.mark.parametrize("variant", ["weighted", "reference_quirk"])
def test_it_is_its_formula(variant: str) -> None:
    loss = build_loss("mmce", num_classes=5, variant=variant, lam=1.7)
    assert_follows(loss, lambda z, y: cross_entropy(z, y) + 1.7 * mmce(z, y, variant))


@pytest.mark.parametrize("logits_and_targets", [ordinary(), extreme()])
def test_plain_is_its_formula_with_the_residual_held(logits_and_targets: tuple[Floats, Integers]) -> None:
    logits, targets = logits_and_targets
    loss = build_loss("mmce", num_classes=5, variant="plain", lam=1.7)
    assert_follows(loss, lambda z, y: cross_entropy(z, y) + 1.7 * held(z, y, logits), ((logits, targets),))
    assert held(logits, targets, logits) == mmce(logits, targets, "plain")


@pytest.mark.parametrize("variant", ["weighted", "reference_quirk"])
@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 2, 0]])
def test_it_is_cross_entropy_where_all_are_right_or_all_wrong(variant: str, labels: list[int]) -> None:
    logits = torch.eye(3).requires_grad_()
    loss = build_loss("mmce", num_classes=3, variant=variant)(logits, torch.tensor(labels))
    expected = build_loss("ce", num_classes=3)(logits, torch.tensor(labels))
    assert torch.equal(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, logits), torch.autograd.grad(expected, logits))


def test_a_square_that_rounding_makes_negative_has_a_root() -> None:
    # Undecided between two classes: both groups' confidences are nearly 1/2, and their difference is all rounding.
    loss, targets = build_loss("mmce", num_classes=2), (torch.arange(33) % 3 > 0).long()
    for seed in range(20):
        column = 1e-5 * torch.rand(33, generator=torch.Generator().manual_seed(seed))
        logits = torch.stack([column, torch.zeros(33)], dim=1).requires_grad_()
        value = loss(logits, targets)
        (gradient,) = torch.autograd.grad(value, logits)
        assert float(value.detach()) == pytest.approx(np.log(2), abs=2e-3)
        assert gradient.isfinite().all()
