from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.statx import force_sync


def test_the_look_at_the_server_itself_agrees_with_stat_for_files_and_folders(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_bytes(b"")
    os.utime(old, ns=(0, 1_234_567_890_123_456_789))
    for path in (tmp_path, old):
        stat, stamp = path.stat(), force_sync(str(path))
        assert (stamp.inode, stamp.mtime_ns, stamp.ctime_ns) == (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns)
        assert stamp.links == stat.st_nlink
    assert force_sync(str(old)).mtime_ns == 1_234_567_890_123_456_789


def test_a_look_does_not_open_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An NFS 4 server would hold back the owner's next beat until the one who opened it has given that up, or died."""
    (tmp_path / "lease").write_bytes(b"")
    flags: list[int] = []
    real = os.open

    def watched(path: str, how: int) -> int:
        flags.append(how)
        return real(path, how)

    monkeypatch.setattr(os, "open", watched)
    force_sync(str(tmp_path / "lease"))
    assert [how & os.O_PATH for how in flags] == [os.O_PATH]
