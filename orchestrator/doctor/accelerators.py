"""The GPUs of this host: which there are, whether they are free, and whether torch can use them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from jobs.errors import HostUnfitError
from orchestrator.doctor.finding import Finding, Section, Values, Verdict
from orchestrator.doctor.space import in_bytes
from orchestrator.gpus import Gpu, inventory, is_free

_BUSY: Final = 0.1
_IMPORT_SECONDS: Final = 120
_ASK_TORCH: Final = """
import json, torch, torchvision
print(json.dumps({"cuda": torch.version.cuda, "gpus": torch.cuda.device_count(), "works": [
    bool(torch.ones(8, device=f"cuda:{i}").sum().item() == 8) for i in range(torch.cuda.device_count())]}))
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one GPU; `is_ours`: an attempt of this host's workers holds it."""

    used_bytes: int
    total_bytes: int
    is_ours: bool


def examine_gpus() -> Iterator[Finding]:
    """A finding for each GPU, and one for what torch makes of them."""
    try:
        gpus = inventory()
        found = [(gpu, _memory(gpu)) for gpu in gpus]
    except HostUnfitError as error:
        yield Finding(Section.HOST, "GPUs", error.problem, Verdict.UNFIT, error.remedy)
        return
    if not gpus:
        yield Finding(Section.HOST, "GPUs", "none: orch worker takes CPU slots", values={"gpus": 0})
        return
    for gpu, memory in found:
        yield judge(gpu, memory)
    yield judge_torch(gpus, _ask_torch())


def _memory(gpu: Gpu) -> Memory:
    import pynvml

    pynvml.nvmlInit()  # it has just worked, see `inventory`
    try:
        seen = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByUUID(gpu.uuid))
    except pynvml.NVMLError as error:
        raise HostUnfitError(f"GPU {gpu.index} does not answer: {error}", "does nvidia-smi work here?") from error
    finally:
        pynvml.nvmlShutdown()
    return Memory(int(seen.used), int(seen.total), not is_free(gpu.uuid))


def judge(gpu: Gpu, memory: Memory) -> Finding:
    """One GPU: a note where somebody else has taken much of its memory."""
    measured = f"{gpu.name}, {in_bytes(memory.used_bytes)} of {in_bytes(memory.total_bytes)} in use"
    values: Values = {"uuid": gpu.uuid, "used_bytes": memory.used_bytes, "total_bytes": memory.total_bytes}
    name = f"GPU {gpu.index}"
    if memory.is_ours:
        return Finding(Section.HOST, name, f"{measured}, by a job of orch", values=values)
    if memory.used_bytes > _BUSY * memory.total_bytes:
        remedy = "somebody else works on it: see nvidia-smi, or leave it out with orch worker --gpus"
        return Finding(Section.HOST, name, measured, Verdict.NOTE, remedy, values=values)
    return Finding(Section.HOST, name, measured, values=values)


def _ask_torch() -> dict[str, object] | str:
    """What torch sees, told by a process that imports it; text: why it cannot be told."""
    try:
        run = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-c", _ASK_TORCH],
            capture_output=True,
            text=True,
            timeout=_IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_IMPORT_SECONDS} s"
    if run.returncode != 0:
        return (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
    told: dict[str, object] = json.loads(run.stdout.splitlines()[-1])
    return told


def judge_torch(gpus: Sequence[Gpu], told: dict[str, object] | str) -> Finding:
    """What torch makes of the GPUs that the driver shows."""
    name = "torch on GPUs"
    if isinstance(told, str):
        return Finding(Section.HOST, name, told, Verdict.UNFIT, "does `python -c 'import torch, torchvision'` work?")
    works = told["works"]
    values: Values = {"cuda": str(told["cuda"]), "gpus": int(str(told["gpus"]))}
    measured = f"CUDA {told['cuda']}, {told['gpus']} of {len(gpus)} can be used"
    if told["cuda"] is None:
        remedy = "this torch is built for CPUs alone: install the one for CUDA, or work with --gpus none"
        return Finding(Section.HOST, name, measured, Verdict.UNFIT, remedy, values=values)
    if told["gpus"] != len(gpus) or not isinstance(works, list) or not all(works):
        remedy = "is the driver new enough for this CUDA, and is CUDA_VISIBLE_DEVICES set?"
        return Finding(
            Section.HOST, name, measured, Verdict.NOTE if told["gpus"] else Verdict.UNFIT, remedy, values=values
        )
    return Finding(Section.HOST, name, measured, values=values)
