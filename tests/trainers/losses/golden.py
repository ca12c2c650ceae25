"""The golden inputs: four samples, three classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from trainers import build_loss

LOGITS = [[2, 0.5, -1], [0.1, 0.3, 0.2], [-0.5, 1, 1.5], [1.2, -0.7, 0.4]]
TARGETS = torch.tensor([0, 1, 2, 0])
CLASS_COUNTS = [100, 10, 1]
# 1 / E_n with beta 0.9999, of mean 1.
CLASS_WEIGHTS = [0.0271586, 0.2703692, 2.7024722]
EPOCHS = 20


def value_and_gradient(
    name: str, *, logits: Sequence[Sequence[float]] = LOGITS, told: dict[str, Any] | None = None, **parameters: Any
) -> tuple[float, Tensor]:
    """The loss of the golden batch in float64, and its gradient with respect to the logits.

    Args:
        name: of the loss.
        logits: others than the golden ones.
        told: what the loss is called with besides logits and labels.
        parameters: of the loss.
    """
    leaf = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    loss = build_loss(name, num_classes=3, class_counts=CLASS_COUNTS, epochs=EPOCHS, **parameters)
    value = loss(leaf, TARGETS, **(told or {}))
    (gradient,) = torch.autograd.grad(value, leaf)
    return float(value.detach()), gradient


def assert_golden(
    found: tuple[float, Tensor], value: float, row: Sequence[float] | None = None, total: float | None = None
) -> None:
    """The value, the gradient's first row and the sum of its absolute values are those of the reference's print."""
    assert found[0] == pytest.approx(value, abs=6e-7)
    if row is not None:
        assert found[1][0].tolist() == pytest.approx(row, abs=6e-7)
    if total is not None:
        assert float(found[1].abs().sum()) == pytest.approx(total, abs=6e-7)
