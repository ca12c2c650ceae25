"""What numbers a run computes in: the spec says, and it is done or refused."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import torch

from trainers.errors import SpecError

_AMPERE: Final = (8, 0)  # the first compute capability with bf16 in hardware
_AUTOCAST: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """The numbers of the forward and backward pass; weights and losses are fp32 throughout.

    Attributes:
        name: fp32, bf16 or fp16.
        device: where.
    """

    name: str
    device: torch.device

    def autocast(self) -> AbstractContextManager[object]:
        """The context of a forward pass."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_AUTOCAST[self.name])

    def scaler(self) -> torch.amp.GradScaler:
        """Scales losses for fp16, whose gradients would vanish otherwise; does nothing for the others."""
        return torch.amp.GradScaler(self.device.type, enabled=self.name == "fp16")


def resolve(asked: str, device: torch.device) -> Precision:
    """What `train.precision` means on a device: auto is bf16 on CUDA (fp16 before Ampere) and fp32 on a CPU.

    Raises:
        SpecError: fp16 on a CPU, where it is not worth having, or bf16 on a GPU that only imitates it.
    """
    is_cuda = device.type == "cuda"
    has_bf16 = is_cuda and torch.cuda.get_device_capability(device) >= _AMPERE
    if asked == "auto":
        asked = ("bf16" if has_bf16 else "fp16") if is_cuda else "fp32"
    if asked == "fp16" and not is_cuda:
        raise SpecError("train.precision fp16 needs a GPU; use fp32 or auto on a CPU")
    if asked == "bf16" and is_cuda and not has_bf16:
        name = torch.cuda.get_device_name(device)
        raise SpecError(f"train.precision bf16 needs an Ampere GPU or newer, this is {name}; use fp16 or auto")
    return Precision(asked, device)
