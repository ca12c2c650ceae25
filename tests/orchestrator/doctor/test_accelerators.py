from __future__ import annotations

import pytest

from orchestrator.doctor.accelerators import Memory, examine_gpus, judge, judge_torch
from orchestrator.doctor.finding import Verdict
from orchestrator.gpus import Gpu, inventory

GPU = Gpu(1, "GPU-1", "A fast one")
GIB = 1 << 30


@pytest.mark.parametrize(
    ("memory", "verdict"),
    [
        (Memory(0, 80 * GIB, is_ours=False), Verdict.GOOD),
        (Memory(30 * GIB, 80 * GIB, is_ours=True), Verdict.GOOD),
        (Memory(30 * GIB, 80 * GIB, is_ours=False), Verdict.NOTE),
    ],
)
def test_a_gpu_that_somebody_else_works_on_is_worth_a_note(memory: Memory, verdict: Verdict) -> None:
    assert judge(GPU, memory).verdict is verdict


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({"cuda": "12.8", "gpus": 1, "works": [True]}, Verdict.GOOD),
        ({"cuda": None, "gpus": 0, "works": []}, Verdict.UNFIT),
        ({"cuda": "12.8", "gpus": 0, "works": []}, Verdict.UNFIT),
        ({"cuda": "12.8", "gpus": 1, "works": [False]}, Verdict.NOTE),
        ("ImportError: libcudart", Verdict.UNFIT),
    ],
)
def test_torch_must_see_the_gpus_that_the_driver_shows(told: dict[str, object] | str, verdict: Verdict) -> None:
    assert judge_torch([GPU], told).verdict is verdict


def test_a_part_of_the_gpus_is_worth_a_note() -> None:
    told: dict[str, object] = {"cuda": "12.8", "gpus": 1, "works": [True]}
    assert judge_torch([GPU, Gpu(2, "GPU-2", "Another")], told).verdict is Verdict.NOTE


def test_every_gpu_of_this_host_is_told() -> None:
    findings = list(examine_gpus())
    assert [f.name for f in findings if f.name.startswith("GPU ")] == [f"GPU {gpu.index}" for gpu in inventory()]
    assert findings
