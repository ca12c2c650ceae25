"""What a run has taken of its device, and what to say when that was too much."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from typing import Final

import torch

from trainers.errors import DeviceMemoryError

# torch has no type of its own for a CPU that has no memory left.
_CPU_SAYS: Final = "DefaultCPUAllocator: can't allocate memory"


def peak_memory_bytes(device: torch.device) -> int:
    """The most that this process has taken so far: of its GPU, or, on a CPU, of the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_bytes(device: torch.device) -> int:
    """All that the device has."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextlib.contextmanager
def memory_told(device: torch.device, position: Callable[[], tuple[int, int] | None]) -> Iterator[None]:
    """Turn torch's many lines about memory into one.

    Args:
        device: this process's.
        position: epoch and step that are being trained, from 1; None: before the first.

    Raises:
        DeviceMemoryError: in place of torch's own.
    """
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError) and _CPU_SAYS not in str(error):
            raise
        at = position()
        where = f"at epoch {at[0]}, step {at[1]}" if at else "before the first step"
        raise DeviceMemoryError(where, peak_memory_bytes(device), memory_bytes(device), *(at or ())) from error
