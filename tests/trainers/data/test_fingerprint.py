"""What changes a folder's fingerprint and what does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainers.data.trees import image_tree
from trainers.data.fingerprint import folder_fingerprint
from trainers.errors import DataError


def test_a_copy_elsewhere_has_the_same_fingerprint(tmp_path: Path) -> None:
    tree = image_tree(tmp_path / "a")
    shutil.copytree(tree, tmp_path / "b")
    (tmp_path / "b" / "README.md").write_text("not an image, not in a split")
    (tmp_path / "b" / "train" / "ant" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "b" / "train" / "ant" / "notes.txt").write_text("no image either")
    assert folder_fingerprint(tree) == folder_fingerprint(tmp_path / "b")


@pytest.mark.parametrize("change", ["add", "remove", "rename", "resize", "move"])
def test_every_change_of_names_or_sizes_is_seen(tmp_path: Path, change: str) -> None:
    tree = image_tree(tmp_path / "a")
    before = folder_fingerprint(tree)
    image = tree / "test" / "bee" / "01.png"
    if change == "add":
        shutil.copy(image, image.with_name("09.png"))
    elif change == "remove":
        image.unlink()
    elif change == "rename":
        image.rename(image.with_name("01b.png"))
    elif change == "resize":
        image.write_bytes(image.read_bytes() + b"\0")
    else:
        image.rename(tree / "train" / "bee" / "09.png")
    assert folder_fingerprint(tree) != before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data set at .*/nowhere: .*/nowhere/train cannot be listed"):
        folder_fingerprint(tmp_path / "nowhere")


def test_a_split_without_classes_is_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"train holds no class folders"):
        folder_fingerprint(tmp_path)


def test_a_class_without_images_is_named(tmp_path: Path) -> None:
    tree = image_tree(tmp_path)
    (tree / "train" / "dog").mkdir()
    with pytest.raises(DataError, match=r"train/dog holds no images"):
        folder_fingerprint(tree)


def test_it_needs_the_standard_library_alone() -> None:
    program = "import sys, trainers.data.fingerprint as f; print(sorted({'numpy', 'torch', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
