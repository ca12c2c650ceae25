from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from jobs.errors import HostUnfitError
from jobs.sessions import LookAtOwn, Standing
from jobs.store import (
    ABSENT,
    Failed,
    FolderStore,
    List,
    Look,
    Make,
    Point,
    Put,
    Read,
    Request,
    Stamp,
    Sync,
    Unlink,
    Won,
    carry_out,
)
from tests.jobs.full_disk import full_disk
from tests.jobs.lost_links import failing


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def ticket(store: FolderStore, name: str = "a", data: bytes = b"mine") -> str:
    path = f".orch/tmp/{name}"
    assert store.answer(Make(path, data)) is None
    return path


# --- put ------------------------------------------------------------------------------------------------------------


def test_a_put_makes_its_parents_and_is_mine(store: FolderStore) -> None:
    source = ticket(store)
    assert store.answer(Put(source, "exp/log/2e/job.0001")) is Won.MINE
    assert store.answer(Read("exp/log/2e/job.0001")) == b"mine"
    assert os.stat(store.root / source).st_ino == os.stat(store.root / "exp/log/2e/job.0001").st_ino  # noqa: PTH116


def test_the_second_put_of_a_name_is_theirs_and_changes_nothing(store: FolderStore) -> None:
    assert store.answer(Put(ticket(store, "a", b"first"), "exp/x")) is Won.MINE
    assert store.answer(Put(ticket(store, "b", b"second"), "exp/x")) is Won.THEIRS
    assert store.answer(Read("exp/x")) == b"first"


def test_a_put_may_be_repeated_with_the_same_source(store: FolderStore) -> None:
    source = ticket(store)
    assert [store.answer(Put(source, "exp/x")) for _ in range(3)] == [Won.MINE] * 3


def test_a_put_whose_source_is_gone_says_so(store: FolderStore) -> None:
    assert store.answer(Put(".orch/tmp/swept", "exp/x")) is Won.GONE
    assert store.answer(Put(ticket(store), "exp/y")) is Won.MINE
    assert store.answer(Put(".orch/tmp/swept", "exp/y")) is Won.GONE


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EEXIST])
def test_a_put_whose_reply_was_lost_is_mine(store: FolderStore, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    source = ticket(store)
    (store.root / "exp").mkdir()
    monkeypatch.setattr(os, "link", failing(number, takes_effect=True))
    assert store.answer(Put(source, "exp/x")) is Won.MINE


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOSPC])
def test_a_put_without_effect_is_tried_again(store: FolderStore, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    source = ticket(store)
    (store.root / "exp").mkdir()
    monkeypatch.setattr(os, "link", failing(number, takes_effect=False, times=2))
    assert store.answer(Put(source, "exp/x")) is Won.MINE


def test_a_put_that_failed_while_another_was_first_is_theirs(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ticket(store)
    assert store.answer(Put(ticket(store, "b"), "exp/x")) is Won.MINE
    monkeypatch.setattr(os, "link", failing(errno.EIO, takes_effect=False))
    assert store.answer(Put(source, "exp/x")) is Won.THEIRS


def test_a_put_that_the_folder_never_answers_stays_unknown_and_may_be_asked_again(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ticket(store)
    (store.root / "exp").mkdir()
    with monkeypatch.context() as broken:
        broken.setattr(os, "link", failing(errno.EIO, takes_effect=False, times=100))
        assert store.answer(Put(source, "exp/x")) is Won.UNKNOWN
    assert store.answer(Read("exp/x")) is ABSENT
    assert store.answer(Put(source, "exp/x")) is Won.MINE


def test_a_put_is_unknown_while_its_parents_cannot_be_made(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    source = ticket(store)
    (tmp_path / "exp").write_bytes(b"a file where a folder should be")
    assert store.answer(Put(source, "exp/log/x")) is Won.UNKNOWN
    away = FolderStore(tmp_path / "not mounted")
    assert away.answer(Put("a", "exp/log/x")) is Won.UNKNOWN


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EROFS, errno.EXDEV, errno.ENAMETOOLONG])
def test_a_folder_that_will_never_take_a_link_is_unfit_at_once(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    source = ticket(store)
    monkeypatch.setattr(os, "link", failing(number, takes_effect=False))
    with pytest.raises(HostUnfitError, match=rf"exp/x.*{os.strerror(number)}.*; .*--root") as caught:
        store.answer(Put(source, "exp/x"))
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


def test_a_source_that_can_bear_no_more_names_is_of_no_more_use(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ticket(store)
    monkeypatch.setattr(os, "link", failing(errno.EMLINK, takes_effect=False))
    assert store.answer(Put(source, "exp/x")) is Won.GONE
    assert store.answer(Read("exp/x")) is ABSENT


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EIO])
def test_a_patient_store_answers_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """What refuses today may be mended tomorrow, and a worker has results to keep until then."""
    told: list[tuple[int | None, bool]] = []
    patient = FolderStore(tmp_path, on_trouble=lambda error, is_write: told.append((error.errno, is_write)))
    source = ticket(patient)
    with monkeypatch.context() as broken:
        broken.setattr(os, "link", failing(number, takes_effect=False, times=100))
        assert patient.answer(Put(source, "exp/x")) is Won.UNKNOWN
    assert told == [(number, True)]
    assert patient.answer(Put(source, "exp/x")) is Won.MINE
    assert isinstance(patient.answer(Read(".orch")), Failed)
    assert told[1:] == [(errno.EISDIR, False)]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system at /dev/shm")
def test_a_root_that_lies_on_two_file_systems_is_unfit(store: FolderStore) -> None:
    elsewhere = Path("/dev/shm") / f"orch-test-{os.getpid()}"
    elsewhere.mkdir()
    try:
        if elsewhere.stat().st_dev == store.root.stat().st_dev:
            pytest.skip("/dev/shm and the temporary folder are one file system")
        (store.root / "exp").symlink_to(elsewhere)
        with pytest.raises(HostUnfitError, match=os.strerror(errno.EXDEV)):
            store.answer(Put(ticket(store), "exp/x"))
    finally:
        shutil.rmtree(elsewhere)


# --- the other requests ---------------------------------------------------------------------------------------------


def test_a_private_file_is_new_and_whole(store: FolderStore) -> None:
    data = os.urandom(3_000_000)
    assert store.answer(Make("deep/er/x", data)) is None
    assert store.answer(Read("deep/er/x")) == data
    assert isinstance(store.answer(Make("deep/er/x", b"other")), Failed)
    assert store.answer(Read("deep/er/x")) == data


def test_a_private_file_that_does_not_fit_leaves_nothing_and_can_be_made_again(store: FolderStore) -> None:
    (store.root / "tmp").mkdir()
    with full_disk(after=1000):
        assert isinstance(store.answer(Make("tmp/x", b"x" * 5000)), Failed)
    assert list((store.root / "tmp").iterdir()) == []
    assert store.answer(Make("tmp/x", b"x" * 5000)) is None


@pytest.mark.parametrize("request_", [Read("no/x"), Look("no/x")])
def test_a_name_that_does_not_show_is_absent(store: FolderStore, request_: Request) -> None:
    assert store.answer(request_) is ABSENT


def test_a_listing_has_every_name_and_none_where_there_is_no_folder(store: FolderStore) -> None:
    assert store.answer(List("exp/log")) == ()
    for name in ("b", "a", ".c"):
        store.answer(Put(ticket(store, name), f"exp/log/{name}"))
    listing = store.answer(List("exp/log"))
    assert isinstance(listing, tuple)
    assert sorted(listing) == [".c", "a", "b"]


def test_what_cannot_be_asked_has_failed_and_is_not_absent(store: FolderStore) -> None:
    ticket(store)
    assert isinstance(store.answer(List(".orch/tmp/a")), Failed)
    assert isinstance(store.answer(Read(".orch/tmp/a/x")), Failed)
    assert isinstance(store.answer(Read(".orch/tmp")), Failed)
    assert isinstance(store.answer(Look(".orch/tmp/a/x")), Failed)
    assert isinstance(store.answer(Sync("no/folder")), Failed)
    (store.root / "loop").symlink_to("loop")
    assert isinstance(store.answer(Read("loop")), Failed)


def test_a_look_agrees_with_stat_and_is_stamped_by_the_lookers_clock(tmp_path: Path) -> None:
    ticks = iter([10.0, 10.5])
    store = FolderStore(tmp_path, clock=lambda: next(ticks))
    source = ticket(store)
    store.answer(Put(source, "x"))
    stat = (tmp_path / "x").stat()
    stamp = store.answer(Look("x"))
    assert stamp == Stamp(stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, 2, 10.0, 10.5)


def test_unlinking_may_be_repeated(store: FolderStore) -> None:
    source = ticket(store)
    assert [store.answer(Unlink(source)) for _ in range(2)] == [None, None]
    assert store.answer(Read(source)) is ABSENT


def test_the_result_link_is_replaced_whole_and_may_be_removed(store: FolderStore) -> None:
    link = store.root / "exp/jobs/job/result"
    for folder in ("0001-ab", "0002-cd", "0002-cd"):
        assert store.answer(Point("exp/jobs/job/result", folder)) is None
        assert str(link.readlink()) == folder
    assert [path.name for path in link.parent.iterdir()] == ["result"]
    assert [store.answer(Point("exp/jobs/job/result", None)) for _ in range(2)] == [None, None]
    assert not link.is_symlink()


def test_syncing_a_folder_that_is_there(store: FolderStore) -> None:
    (store.root / "exp").mkdir()
    assert store.answer(Sync("exp")) is None
    assert isinstance(store.answer(Sync("no")), Failed)


def test_an_operation_is_carried_out_to_its_result(store: FolderStore) -> None:
    assert carry_out(LookAtOwn("ab"), store) is Standing.GOOD
    store.answer(Put(ticket(store), ".orch/sessions/ab.end"))
    assert carry_out(LookAtOwn("ab"), store) is Standing.LOST
