"""The golden inputs: four samples, three classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainers import build_loss

LOGITS = [[2, 0.5, -1], [0.1, 0.3, 0.2], [-0.5, 1, 1.5], [1.2, -0.7, 0.4]]
TARGETS = torch.tensor([0, 1, 2, 0])
CLASS_COUNTS = [100, 10, 1]


def value_and_gradient(name: str, **parameters: Any) -> tuple[float, Tensor]:
    """The loss of the golden batch in float64, and its gradient with respect to the logits."""
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    loss = build_loss(name, num_classes=3, class_counts=CLASS_COUNTS, **parameters)(logits, TARGETS)
    (gradient,) = torch.autograd.grad(loss, logits)
    return float(loss.detach()), gradient
