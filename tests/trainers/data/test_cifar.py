"""CIFAR through torchvision, from files in its own format that were made here."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from trainers.data.images import load_dataset
from trainers.errors import DataError


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_the_original_files_are_read_once_in_their_order(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = roots / "data" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    planes = np.arange(2 * 3072, dtype=np.int64).reshape(2, 3072).astype(np.uint8)  # red plane, green plane, blue plane
    (folder / "batch").write_bytes(pickle.dumps({"data": planes, "labels": [1, 0]}))
    (folder / "names").write_bytes(pickle.dumps({"label_names": ["plane", "car"]}))
    monkeypatch.setattr(CIFAR10, "train_list", [["batch", None]])
    monkeypatch.setattr(CIFAR10, "test_list", [["batch", None]])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "names", "key": "label_names", "md5": None})
    dataset = load_dataset({"name": "cifar10"})
    assert dataset.class_names == ("plane", "car")
    assert dataset.train.targets.tolist() == [1, 0]
    assert dataset.train.images[0, 2, 5].tolist() == [planes[0, 1024 * plane + 2 * 32 + 5] for plane in range(3)]
    (folder / "batch").unlink()
    assert len(load_dataset({"name": "cifar10"}).test.targets) == 2


def test_offline_is_one_line_that_says_what_to_do(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")  # the discard port: refused
    with pytest.raises(
        DataError, match=r"^CIFAR10 is not in [^\n]*/data and could not be downloaded [^\n]*put cifar-10"
    ):
        load_dataset({"name": "cifar10"})
