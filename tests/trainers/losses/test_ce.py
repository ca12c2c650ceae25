"""Cross entropy against values worked out by hand."""

from __future__ import annotations

import pytest
import torch

from tests.trainers.losses.golden import CLASS_WEIGHTS, assert_golden, value_and_gradient
from trainers import build_loss


def test_golden_value_and_gradient() -> None:
    assert_golden(value_and_gradient("ce"), 0.566881, [-0.053601, 0.043823, 0.009778], 0.823855)


def test_golden_value_and_gradient_under_class_weights() -> None:
    weights = torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)
    found = value_and_gradient("ce", told={"class_weights": weights})
    assert_golden(found, 0.591297, [-0.001924, 0.001573, 0.000351], 0.884054)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_logits_are_summed_in_fp32(dtype: torch.dtype) -> None:
    logits = torch.randn(64, 1000, generator=torch.Generator().manual_seed(0)).to(dtype)
    targets = torch.arange(64)
    loss = build_loss("ce", num_classes=1000)
    assert loss(logits, targets).dtype == torch.float32
    torch.testing.assert_close(loss(logits, targets), loss(logits.float(), targets), rtol=0, atol=0)
