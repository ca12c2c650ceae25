"""What a run took of its device, and too little memory in one line."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
import torch

from tests.trainers.attempts import attempt, document, result
from trainers.errors import DeviceMemoryError, SpecError
from trainers.health import memory_bytes, memory_told, peak_memory_bytes

CPU = torch.device("cpu")


def test_what_torch_cannot_allocate_is_one_line_with_place_peak_and_remedy() -> None:
    with pytest.raises(DeviceMemoryError) as caught, memory_told(CPU, lambda: (3, 7)):
        torch.empty(2**60, dtype=torch.uint8)
    said = str(caught.value)
    assert said.startswith("out of memory at epoch 3, step 7: ")
    assert said.endswith("use a smaller train.batch_size, or train.accumulate to compute it in parts")
    assert "\n" not in said
    assert (caught.value.epoch, caught.value.step) == (3, 7)
    assert 0 < caught.value.peak_memory_bytes < memory_bytes(CPU)


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), memory_told(CPU, lambda: None):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


def test_the_peak_grows_with_what_is_taken() -> None:
    before = peak_memory_bytes(CPU)
    taken = torch.ones(before // 4 + 2**28)  # float32: more than all before
    assert peak_memory_bytes(CPU) > before
    assert peak_memory_bytes(CPU) >= taken.nbytes
    assert peak_memory_bytes(CPU) == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.usefixtures("tiny")
def test_a_result_says_what_its_run_took(tmp_path: Path) -> None:
    attempt(tmp_path, document())
    said = result(tmp_path)
    assert said["images_per_second"] > 0
    assert said["peak_memory_bytes"] > 2**20
    assert said["gpu_seconds"] == 0 or torch.cuda.is_available()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("which", ["CXX", "PATH"])
def test_without_a_compiler_a_compiled_run_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv(which, "no-such-compiler" if which == "CXX" else os.devnull)
    with pytest.raises(SpecError, match=r"train\.compile needs a C\+\+ compiler, and there is no .* here; install one"):
        attempt(tmp_path, document({"compile": True}))


@pytest.mark.usefixtures("tiny")
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_graph_is_refused_where_there_is_no_gpu(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"train\.graph needs a GPU"):
        attempt(tmp_path, document({"graph": True}))
