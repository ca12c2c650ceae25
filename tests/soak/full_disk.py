"""A file system of its own for the root, that fills up to the last block and is emptied again."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

from orchestrator.faults.plugins import Fault, Scene

_BYTES = 4 << 30
_CHUNK = bytes(4096)


class FullDisk(Fault):
    """ENOSPC for every new block: an ext4 image on a loop device, filled by a ballast for a few seconds at a time."""

    name = "full disk"

    def __init__(self, every: float, chance: random.Random) -> None:
        super().__init__(every, chance)
        self._mounted: Path | None = None
        self._empty_at = 0.0

    def missing(self) -> str:
        if os.geteuid() != 0:
            return "root (to mount a loop device)"
        wanting = [name for name in ("mkfs.ext4", "mount", "umount") if not shutil.which(name)]
        return wanting[0] if wanting else "" if Path("/dev/loop-control").exists() else "/dev/loop-control"

    def set_up(self, scene: Scene) -> None:
        image = scene.folder / "disk.img"
        with image.open("wb") as file:
            file.truncate(_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1", image], check=True)
        scene.root.mkdir(parents=True)
        subprocess.run(["mount", "-o", "loop,noatime", image, scene.root], check=True)
        self._mounted = scene.root

    @property
    def _ballast(self) -> Path:
        assert self._mounted is not None
        return self._mounted / "ballast"

    def strike(self, _scene: Scene) -> None:
        if self._empty_at:
            return
        self._empty_at = time.monotonic() + self.chance.uniform(2.0, 10.0)
        self._fill()
        self.counts["times full"] += 1

    def _fill(self) -> None:
        """Take all blocks: the bulk at once, and what is left one by one."""
        with self._ballast.open("ab") as file:
            system = os.statvfs(self._ballast.parent)
            bulk = (system.f_bavail - 2048) * system.f_bsize
            try:
                if bulk > 0:
                    os.posix_fallocate(file.fileno(), 0, bulk)
                while True:
                    os.write(file.fileno(), _CHUNK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def tend(self, _scene: Scene) -> None:
        if not self._empty_at:
            return
        if time.monotonic() >= self._empty_at:
            self._empty()
        else:
            self._fill()  # what others freed meanwhile

    def calm(self, _scene: Scene) -> None:
        if self._empty_at:
            self._empty()

    def _empty(self) -> None:
        self._ballast.unlink(missing_ok=True)
        self._empty_at = 0.0

    def clean_up(self, _scene: Scene) -> None:
        if self._mounted is not None:
            subprocess.run(["umount", "--lazy", self._mounted], check=False)
            self._mounted = None
