"""Looking at a folder that does not always answer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.looking import content, names_if_there, names_in, names_in_listed, patiently, read_whole
from jobs.store import FolderStore, List


def failing(times: int, error: OSError) -> Callable[[], int]:
    """Answers with how often it was asked, after so many errors."""
    asked = 0

    def ask() -> int:
        nonlocal asked
        asked += 1
        if asked <= times:
            raise error
        return asked

    return ask


def test_what_passes_is_asked_again() -> None:
    assert patiently(failing(2, OSError(errno.EIO, "no"))) == 3


def test_what_does_not_pass_is_told() -> None:
    with pytest.raises(OSError, match="no"):
        patiently(failing(99, OSError(errno.ESTALE, "no")))


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR, errno.EACCES])
def test_what_is_certain_is_not_asked_again(number: int) -> None:
    ask = failing(1, OSError(number, "no"))
    with pytest.raises(OSError, match="no"):
        patiently(ask)
    assert ask() == 2


def test_a_file_is_read_whole_however_large(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(100_000))
    assert content(str(tmp_path / "large")) == (tmp_path / "large").read_bytes()
    assert content(str(tmp_path / "none")) is None


def test_a_folder_that_its_parent_does_not_show_is_empty_and_one_that_it_shows_is_not(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a").touch()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    assert names_in(str(tmp_path / "there")) == names_if_there(str(tmp_path / "there")) == ["a"]
    assert [names_if_there(str(tmp_path / name)) for name in ("none", "file", "none/none")] == [[], [], []]
    with pytest.raises(OSError, match="does not show") as caught:
        names_if_there(str(tmp_path / "dangling"))
    assert caught.value.errno == errno.ESTALE
    with pytest.raises(NotADirectoryError):
        names_in_listed(str(tmp_path / "file"))


def test_what_a_store_could_not_answer_is_asked_again_and_told(tmp_path: Path) -> None:
    """A store itself answers with a passing error, so that readers make do without; here nothing may be left out."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    asked = []

    def read(store: FolderStore) -> None:
        asked.append(store.answer(List("loop")))
        if len(asked) == 2:
            loop.unlink()
            loop.mkdir()

    read_whole(tmp_path, read)
    assert asked[-1] == ()
    assert len(asked) == 3
    loop.rmdir()
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="symbolic links"):
        read_whole(tmp_path, lambda store: store.answer(List("loop")))
