"""Precision does what it says or is refused."""

from __future__ import annotations

import pytest
import torch

from trainers.errors import SpecError
from trainers.precision import resolve

CPU = torch.device("cpu")


def product(name: str) -> torch.Tensor:
    with resolve(name, CPU).autocast():
        return torch.ones(2, 2) @ torch.ones(2, 2)


def test_auto_is_fp32_on_a_cpu() -> None:
    assert resolve("auto", CPU).name == "fp32"
    assert product("auto").dtype == torch.float32


def test_bf16_on_a_cpu_is_bf16() -> None:
    assert product("bf16").dtype == torch.bfloat16


def test_fp16_on_a_cpu_is_refused() -> None:
    with pytest.raises(SpecError, match="fp16 needs a GPU"):
        resolve("fp16", CPU)


def test_nothing_but_fp16_is_scaled() -> None:
    assert not resolve("fp32", CPU).scaler().is_enabled()
    assert not resolve("bf16", CPU).scaler().is_enabled()
