"""Cross entropy against values worked out by hand."""

from __future__ import annotations

import pytest
import torch

from tests.trainers.losses.golden import value_and_gradient
from trainers import build_loss


def test_golden_value_and_gradient() -> None:
    value, gradient = value_and_gradient("ce")
    assert value == pytest.approx(0.566881, abs=5e-7)
    assert gradient[0].tolist() == pytest.approx([-0.053601, 0.043823, 0.009778], abs=5e-7)
    assert float(gradient.abs().sum()) == pytest.approx(0.823855, abs=5e-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_logits_are_summed_in_fp32(dtype: torch.dtype) -> None:
    logits = torch.randn(64, 1000, generator=torch.Generator().manual_seed(0)).to(dtype)
    targets = torch.arange(64)
    loss = build_loss("ce", num_classes=1000)
    assert loss(logits, targets).dtype == torch.float32
    torch.testing.assert_close(loss(logits, targets), loss(logits.float(), targets), rtol=0, atol=0)
