"""Data sets by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainers.data.cache import cached
from trainers.data.images import load_dataset
from trainers.errors import DataError, SpecError


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"unknown dataset 'digit'; did you mean 'digits'\?"):
        load_dataset({"name": "digit"})


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"unknown parameter of dataset folder 'sise'; did you mean 'size'\?"):
        load_dataset({"name": "folder", "path": "x", "sise": 3})


def test_a_folder_without_a_path_is_refused() -> None:
    with pytest.raises(SpecError, match=r"dataset folder needs 'path'"):
        load_dataset({"name": "folder"})


def test_loading_digits_imports_no_torch() -> None:
    program = (
        "import sys; from trainers.data.images import load_dataset; load_dataset({'name': 'digits'});"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ([0, 2, 0], [0, 1, 2], "has no training images of class 'b'; add some, or take it out"),
        ([], [0, 1, 2], "has no training images; put some there"),
        ([0, 1, 2], [], "has no test images; put some there"),
        ([0, 1, 3], [0], r"has training labels 0 to 3 and 3 class names; labels are to be 0 to 2"),
        ([0, 1, 2], [-1], r"has test labels -1 to -1 and 3 class names; labels are to be 0 to 2"),
    ],
)
def test_a_data_set_with_gaps_is_refused(
    train: list[int], test: list[int], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(folder: Path) -> tuple[str, ...]:
        for split, targets in (("train", train), ("test", test)):
            np.save(folder / f"{split}-images.npy", np.zeros((len(targets), 4, 4, 3), dtype=np.uint8))
            np.save(folder / f"{split}-targets.npy", np.array(targets, dtype=np.int64))
        return ("a", "b", "c")

    monkeypatch.setenv("ORCH_CACHE", str(tmp_path))
    cached("cifar10", build)
    with pytest.raises(DataError, match=rf"^dataset cifar10 {said}$"):
        load_dataset({"name": "cifar10"})
