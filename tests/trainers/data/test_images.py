"""Data sets by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trainers.data.images import load_dataset
from trainers.errors import SpecError


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
