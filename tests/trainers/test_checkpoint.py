"""Checkpoints are whole, the one before is kept, and an earlier attempt's is taken over."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from tests.trainers.small_disk import grow, small_disk
from tests.trainers.waits import at_first_wait, make_unreadable
from trainers.checkpoint import NAME, PREVIOUS, adopt, forget_previous, may_stand, save, weights_sha256
from trainers.errors import FolderAwayError
from trainers.patience import Patience

DIGEST = "d"


def content(value: int, digest: str = DIGEST) -> dict[str, object]:
    return {"digest": digest, "model": {"weight": torch.full((3,), float(value))}, "value": value}


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """An attempt that saved twice."""
    folder = tmp_path / "earlier"
    folder.mkdir()
    save(folder, content(1))
    save(folder, content(2))
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def adopted(own: Path, *folders: Path) -> object:
    found = adopt(own, folders, DIGEST)
    return None if found is None else found["value"]


def test_the_checkpoint_before_is_kept_until_it_is_forgotten(earlier: Path) -> None:
    assert sorted(path.name for path in earlier.iterdir()) == [PREVIOUS, NAME]
    assert torch.load(earlier / NAME, weights_only=True)["value"] == 2
    assert torch.load(earlier / PREVIOUS, weights_only=True)["value"] == 1
    forget_previous(earlier)
    assert [path.name for path in earlier.iterdir()] == [NAME]


def test_a_save_that_fails_leaves_both_as_they_were(earlier: Path) -> None:
    class Unsaveable:
        def __reduce__(self) -> str:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save(earlier, {"digest": DIGEST, "value": Unsaveable()})
    assert torch.load(earlier / NAME, weights_only=True)["value"] == 2
    assert sorted(path.name for path in earlier.iterdir()) == [PREVIOUS, NAME]


def test_the_newest_is_taken_over_by_a_link_and_survives_its_giver(own: Path, earlier: Path) -> None:
    assert adopted(own, earlier) == 2
    assert (own / NAME).samefile(earlier / NAME)
    shutil.rmtree(earlier)
    assert torch.load(own / NAME, weights_only=True)["value"] == 2


def test_saving_after_a_take_over_leaves_the_giver_alone(own: Path, earlier: Path) -> None:
    adopted(own, earlier)
    save(own, content(3))
    assert torch.load(earlier / NAME, weights_only=True)["value"] == 2
    assert torch.load(own / PREVIOUS, weights_only=True)["value"] == 2


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "missing"])
def test_a_broken_one_is_passed_over_for_the_one_before(
    own: Path, earlier: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = earlier / NAME
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "noise": b"\x80\x02noise"}[damage])
    assert adopted(own, earlier) == 1
    assert ("is not a whole checkpoint" in caplog.text) == (damage != "missing")


def test_folders_are_tried_in_their_order(tmp_path: Path, own: Path, earlier: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    newest = tmp_path / "newest"
    newest.mkdir()
    save(newest, content(7))
    assert adopted(own, empty, newest, earlier) == 7
    assert adopted(own, empty, earlier) == 2


def test_without_any_the_run_begins_at_the_beginning(tmp_path: Path, own: Path) -> None:
    assert adopted(own, tmp_path / "gone") is None
    assert not list(own.iterdir())


def test_one_of_another_spec_is_passed_over(own: Path, earlier: Path) -> None:
    save(earlier, content(9, digest="other"))
    assert adopted(own, earlier) == 2


def test_the_hash_is_over_the_bytes_in_key_order() -> None:
    model = {"b": torch.tensor([1, 2]), "a": torch.arange(6.0).reshape(2, 3).t()}
    expected = hashlib.sha256(model["a"].contiguous().numpy().tobytes() + model["b"].numpy().tobytes()).hexdigest()
    assert weights_sha256(model) == expected


def test_on_a_full_disk_the_checkpoint_before_stands_and_the_next_one_finds_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=300k") as disk:
        save(disk, content(1) | {"more": torch.zeros(50_000)})
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                save(disk, content(2) | {"more": torch.zeros(50_000)})
            assert torch.load(disk / NAME, weights_only=True)["value"] == 1
            assert {path.name for path in disk.iterdir()} == {NAME, PREVIOUS}
        grow(disk)
        save(disk, content(3) | {"more": torch.zeros(50_000)})
        assert torch.load(disk / NAME, weights_only=True)["value"] == 3
        assert torch.load(disk / PREVIOUS, weights_only=True)["value"] == 1


def test_half_a_file_that_could_not_be_removed_is_never_taken_over(own: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    save(killed, content(1))
    (killed / NAME).rename(killed / f".{NAME}.tmp")
    assert adopted(own, killed) is None


def test_the_newest_is_waited_for_where_it_cannot_be_read_now(own: Path, earlier: Path) -> None:
    with at_first_wait(make_unreadable(earlier / NAME)):
        found = adopt(own, [earlier], DIGEST, Patience(60))
    assert found is not None
    assert found["value"] == 2


def test_one_file_that_stays_unreadable_gives_way_to_the_one_before(
    own: Path, earlier: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("trainers.checkpoint._LOOKS_AT_NEWEST", 2)
    make_unreadable(earlier / NAME)
    found = adopt(own, [earlier], DIGEST, Patience(60))
    assert found is not None
    assert found["value"] == 1
    assert "taking an older checkpoint" in caplog.text


def test_where_none_can_be_read_the_run_does_not_begin_again(own: Path, earlier: Path) -> None:
    make_unreadable(earlier / NAME)
    make_unreadable(earlier / PREVIOUS)
    with pytest.raises(FolderAwayError, match="the checkpoint to resume from"):
        adopt(own, [earlier], DIGEST, Patience(0.1))
    assert may_stand([own, earlier])
