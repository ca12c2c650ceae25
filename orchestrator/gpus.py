"""The GPUs of this host, by UUID, and the locks that keep two workers of one host off one GPU."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import HostUnfitError, InputError
from orchestrator.gpu_locks import take_lock


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: its index in PCI order, UUID and name."""

    index: int
    uuid: str
    name: str


def inventory() -> list[Gpu]:
    """All GPUs of this host in PCI order; none where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [
            Gpu(index, str(pynvml.nvmlDeviceGetUUID(handle)), str(pynvml.nvmlDeviceGetName(handle)))
            for index, handle in enumerate(handles)
        ]
    except pynvml.NVMLError as error:
        raise HostUnfitError(
            f"the GPUs of this host cannot be listed: {error}", "does nvidia-smi work here?"
        ) from error
    finally:
        pynvml.nvmlShutdown()


def choose(wanted: str | None) -> list[Gpu]:
    """The GPUs of this host that `--gpus` names, see `select`; `none` asks no driver."""
    return [] if wanted == "none" else select(wanted, inventory())


def select(wanted: str | None, there: list[Gpu]) -> list[Gpu]:
    """The GPUs that `wanted` names among those that are there: indices, `all`, `none`; None: all there are.

    Raises:
        InputError: it is none of these.
        HostUnfitError: one is not there, or `all` was asked and there is none.
    """
    if wanted == "none":
        return []
    if wanted is None:
        return there
    if wanted == "all":
        if not there:
            raise HostUnfitError("--gpus all: this host has no GPU", "use --gpus none --slots N to work on CPUs")
        return there
    try:
        indices = [int(part) for part in wanted.split(",")]
    except ValueError as error:
        raise InputError(f"--gpus {wanted}: not a list of numbers", "give 0,1 or all or none") from error
    by_index = {gpu.index: gpu for gpu in there}
    for index in indices:
        if index not in by_index:
            have = ", ".join(map(str, by_index)) or "none"
            raise HostUnfitError(f"--gpus {wanted}: GPU {index} is not there", f"this host has: {have}")
    return [by_index[index] for index in dict.fromkeys(indices)]


def lock_path(gpu: str) -> Path:
    """The host-local lock of one GPU slot; flock, so it is free when the last process that holds it is gone."""
    folder = Path(tempfile.gettempdir()) / f"orch-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{gpu}.lock"


def is_free(gpu: str) -> bool:
    """Whether no attempt of this host holds the GPU's lock right now."""
    try:
        os.close(take_lock(str(lock_path(gpu))))
    except BlockingIOError:
        return False
    return True
