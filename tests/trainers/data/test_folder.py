"""A folder of images becomes a data set, once, or an error that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainers.data.trees import colour, image_tree
from tests.trainers.waits import at_first_wait, make_unreadable
from trainers.data.fingerprint import folder_fingerprint
from trainers.data.folder import decode, load
from trainers.errors import DataError
from trainers.patience import Patience


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_classes_and_files_come_in_the_order_of_their_names(roots: Path) -> None:
    image_tree(roots / "data" / "set", ("cow", "ant", "bee"))
    dataset = load(path="set")
    assert dataset.class_names == ("ant", "bee", "cow")
    assert dataset.train.targets.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    ant = 1  # its place when the tree was made
    assert [image[0, 0].tolist() for image in dataset.train.images[:3]] == [
        list(colour("train", ant, i)) for i in range(3)
    ]
    assert dataset.test.images[0, 31, 31].tolist() == list(colour("test", ant, 0))


def test_images_of_another_size_or_mode_are_converted(roots: Path) -> None:
    tree = image_tree(roots / "data" / "set", side=50)
    Image.fromarray(np.full((20, 60), 77, dtype=np.uint8)).save(tree / "train" / "ant" / "00.png")
    dataset = load(path="set", size=24)
    assert dataset.train.images.shape == (9, 24, 24, 3)
    assert np.unique(dataset.train.images[0]).tolist() == [77]


def test_a_cached_data_set_needs_no_folder(roots: Path) -> None:
    tree = image_tree(roots / "data" / "set")
    fingerprint = folder_fingerprint(tree)
    first = load(path="set", fingerprint=fingerprint)
    tree.rename(roots / "elsewhere")
    again = load(path="set", fingerprint=fingerprint)
    assert isinstance(again.train.images, np.memmap)
    assert (again.train.images == first.train.images).all()


def test_a_folder_that_changed_since_it_was_planned_is_refused(roots: Path) -> None:
    tree = image_tree(roots / "data" / "set")
    fingerprint = folder_fingerprint(tree)
    (tree / "train" / "ant" / "00.png").unlink()
    with pytest.raises(DataError, match=r"set is not what was planned .*; plan again"):
        load(path="set", fingerprint=fingerprint)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n broken"])
def test_a_corrupt_image_is_named_and_leaves_no_cache(roots: Path, content: bytes) -> None:
    tree = image_tree(roots / "data" / "set")
    bad = tree / "test" / "bee" / "01.png"
    good = bad.read_bytes()
    bad.write_bytes(content)
    with pytest.raises(DataError, match=r"test/bee/01.png is not a readable image"):
        load(path="set")
    assert not [path for path in (roots / "cache").iterdir() if path.is_dir() and not path.name.endswith(".unfinished")]
    bad.write_bytes(good)
    assert len(load(path="set").test.targets) == 9


def test_a_truncated_image_is_named(roots: Path) -> None:
    tree = image_tree(roots / "data" / "set")
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    bad = tree / "train" / "cow" / "02.jpg"
    Image.fromarray(noise).save(bad)
    bad.write_bytes(bad.read_bytes()[:-300])
    with pytest.raises(DataError, match=r"train/cow/02.jpg is not a readable image"):
        load(path="set")


def test_a_class_that_one_split_lacks_is_named(roots: Path) -> None:
    tree = image_tree(roots / "data" / "set")
    (tree / "test" / "bee").rename(tree / "test" / "wasp")
    with pytest.raises(DataError, match=r"class 'bee' of .* has no folder in test/"):
        load(path="set")


def test_a_missing_folder_is_one_line(roots: Path) -> None:
    with pytest.raises(DataError, match=r"^no data set at [^\n]*/data/nowhere[^\n]*$"):
        load(path="nowhere")


def test_an_image_that_cannot_be_read_now_is_read_later(roots: Path) -> None:
    image = image_tree(roots / "set") / "train" / "ant" / "00.png"
    with at_first_wait(make_unreadable(image)):
        assert decode(image, 32)[0, 0].tolist() == list(colour("train", 0, 0))


def test_a_folder_on_a_server_that_is_away_is_no_broken_data_set(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainers.data.folder._PATIENCE", Patience(0.1))
    make_unreadable(image_tree(roots / "data" / "set") / "train" / "ant" / "00.png")
    with pytest.raises(OSError, match=r"\[Errno 5\] Input/output error"):
        load(path="set")
    assert not list((roots / "cache").glob("folder-*-32"))
