from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.errors import HostUnfitError
from jobs.fitness import make_folders, self_test
from tests.jobs.lost_links import failing


def test_a_fit_folder_passes_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    self_test(tmp_path / "new" / "root", "token")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_without_hard_links_is_refused_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", failing(errno.EPERM, takes_effect=False))
    with pytest.raises(HostUnfitError, match=r"not permitted; .*hard links \(--root\)"):
        self_test(tmp_path, "token")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_links_that_are_copies_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(source: Path, target: Path) -> None:
        with open(target, "xb") as file:  # noqa: PTH123
            file.write(Path(source).read_bytes())

    monkeypatch.setattr(os, "link", copy)
    with pytest.raises(HostUnfitError, match="do not share one inode"):
        self_test(tmp_path, "token")


def test_links_that_replace_what_is_there_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def replace(source: str, target: str) -> None:
        Path(target).unlink(missing_ok=True)
        real(source, target)

    monkeypatch.setattr(os, "link", replace)
    with pytest.raises(HostUnfitError, match=r"second link .* not refused"):
        self_test(tmp_path, "token")


def test_a_place_where_nothing_can_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file" / "below", Path("/sys/orch-test")):
        with pytest.raises(HostUnfitError, match="--root"):
            self_test(root, "token")


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mkfs.vfat") or "vfat" not in Path("/proc/filesystems").read_text(),
    reason="needs root, mkfs.vfat and a kernel that knows vfat",
)
def test_a_real_file_system_without_hard_links_is_refused(tmp_path: Path) -> None:
    image, mount = tmp_path / "image", tmp_path / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(1 << 20)
    subprocess.run(["mkfs.vfat", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        with pytest.raises(HostUnfitError, match="hard links"):
            self_test(mount, "token")
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_folder_that_another_host_has_just_made_and_that_does_not_show_yet_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.setattr(Path, "is_dir", lambda _: False)
    make_folders(tmp_path / "a" / "b")
    make_folders(tmp_path / "a" / "c" / "d")
    monkeypatch.undo()
    assert (tmp_path / "a" / "c" / "d").is_dir()
