from __future__ import annotations

import os
from pathlib import Path

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
