"""A file system in user space that shows a folder, with faults: EIO, ESTALE, ENOSPC, delays, lost replies, old caches.

    python -m tests.soak.faultfs BACKING MOUNTPOINT RULES.json LOG [option=value ...]

RULES.json is read again whenever it changes: a list of {"op": "link", "path": "regex", "errno": "EIO", "after": false,
"delay": 0, "p": 1}. `after`: the operation is carried out and then reported as failed, as when a reply is lost. LOG
gets a line for each error or delay that was really injected. Options go to FUSE: with entry_timeout, negative_timeout
and attr_timeout of some seconds the mount is as forgetful as a client of a network; two mounts of one folder are two
hosts with caches of their own. SIGTERM unmounts.
"""

from __future__ import annotations

import errno
import json
import os
import random
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fuse import FUSE, FuseOSError, Operations

_STAT = (
    "st_atime", "st_ctime", "st_mtime", "st_gid", "st_uid", "st_mode", "st_nlink", "st_size", "st_ino", "st_blocks"
)  # fmt: skip
_STATFS = (
    "f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax"
)  # fmt: skip
_NEVER = frozenset({"init", "destroy", "release"})  # nobody hears of an error there; a descriptor would be lost

Rule = dict[str, Any]


class FaultFS(Operations):  # type: ignore[misc]
    """See the module's docstring.

    Args:
        backing: the folder that is shown.
        rules, log: see the module's docstring.
    """

    def __init__(self, backing: Path, rules: Path, log: Path) -> None:
        self.backing = os.fspath(backing.resolve())
        self._file, self._stamp = rules, 0
        self._rules: list[Rule] = []
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._turn = threading.Lock()

    def __call__(self, op: str, *args: Any) -> Any:
        rule = self._hit(op, [arg for arg in args[:2] if isinstance(arg, str)])
        if rule.get("delay"):
            self._note(op, "delay")
            time.sleep(rule["delay"])
        error = rule.get("errno")
        if error and not rule.get("after"):
            self._fail(op, error)
        try:
            answer = getattr(self, op)(*args)
        except OSError as problem:
            raise FuseOSError(problem.errno) from problem
        if error:
            if op in {"open", "create"}:
                os.close(answer)
            self._fail(f"{op} done", error)
        return answer

    def _hit(self, op: str, names: list[str]) -> Rule:
        if op in _NEVER:
            return {}
        with self._turn:
            self._read_rules()
            for rule in self._rules:
                if rule["op"] not in (op, "*") or random.random() >= rule.get("p", 1):
                    continue
                if any(re.search(rule.get("path", ""), name) for name in names or [""]):
                    return rule
        return {}

    def _read_rules(self) -> None:
        try:
            stamp = self._file.stat().st_mtime_ns
            if stamp != self._stamp:
                self._rules, self._stamp = json.loads(self._file.read_text()), stamp
        except (OSError, ValueError):
            return  # it is just being replaced

    def _fail(self, op: str, error: str) -> None:
        self._note(op, error)
        raise FuseOSError(getattr(errno, error))

    def _note(self, op: str, what: str) -> None:
        os.write(self._log, f"{op} {what}\n".encode())

    # --- operations -------------------------------------------------------------------------------------------------

    def _path(self, path: str) -> Path:
        return Path(self.backing + path)

    def access(self, path: str, mode: int) -> int:
        return 0

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.fstat(fh) if fh else os.lstat(self._path(path))
        return {name: getattr(found, name) for name in _STAT}

    def statfs(self, path: str) -> dict[str, Any]:
        found = os.statvfs(self._path(path))
        return {name: getattr(found, name) for name in _STATFS}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(entry.name for entry in self._path(path).iterdir())]

    def readlink(self, path: str) -> str:
        return os.fspath(self._path(path).readlink())

    def mkdir(self, path: str, mode: int) -> None:
        self._path(path).mkdir(mode)

    def rmdir(self, path: str) -> None:
        self._path(path).rmdir()

    def unlink(self, path: str) -> None:
        self._path(path).unlink()

    def symlink(self, target: str, source: str) -> None:
        self._path(target).symlink_to(source)

    def link(self, target: str, source: str) -> None:
        self._path(target).hardlink_to(self._path(source))

    def rename(self, old: str, new: str) -> None:
        self._path(old).rename(self._path(new))

    def chmod(self, path: str, mode: int) -> None:
        self._path(path).chmod(mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.lchown(self._path(path), uid, gid)

    def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
        os.utime(self._path(path), times)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._path(path), flags & ~os.O_EXCL)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._path(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(self._path(path), length)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)

    def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
        descriptor = os.open(self._path(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def flush(self, path: str, fh: int) -> int:
        return 0

    def release(self, path: str, fh: int) -> None:
        os.close(fh)


def main() -> None:
    backing, mountpoint, rules, log = map(Path, sys.argv[1:5])
    options = {name: float(value) for name, _, value in (word.partition("=") for word in sys.argv[5:])}
    FUSE(FaultFS(backing, rules, log), os.fspath(mountpoint), foreground=True, use_ino=True, **options)


if __name__ == "__main__":
    main()
