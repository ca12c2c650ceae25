"""The root behind `faultfs`: two mounts of it, one as forgetful as a network's client, with faults that come and go."""

from __future__ import annotations

import ctypes.util
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchestrator.faults.places import Launch
from orchestrator.faults.plugins import Fault, Scene

_FRESH = ("attr_timeout=0", "entry_timeout=0", "negative_timeout=0")
_FORGETFUL = ("attr_timeout=3", "entry_timeout=3", "negative_timeout=3")
_AWAY_SECONDS = (1.0, 6.0)
_MOUNT_SECONDS = 20.0

# One of these is taken for each rule; `p` is how often it hits.
_MENU: tuple[dict[str, Any], ...] = (
    {"op": "link", "errno": "EIO", "p": 0.15},
    {"op": "link", "errno": "EIO", "after": True, "p": 0.15},
    {"op": "link", "errno": "ESTALE", "after": True, "p": 0.1},
    {"op": "link", "delay": 0.4, "p": 0.2},
    {"op": "open", "errno": "ESTALE", "p": 0.05},
    {"op": "open", "errno": "EIO", "p": 0.05},
    {"op": "create", "errno": "ENOSPC", "p": 0.2},
    {"op": "create", "errno": "EIO", "after": True, "p": 0.1},
    {"op": "write", "errno": "ENOSPC", "p": 0.1},
    {"op": "write", "errno": "EIO", "p": 0.05},
    {"op": "read", "errno": "ESTALE", "p": 0.05},
    {"op": "getattr", "errno": "ESTALE", "p": 0.03},
    {"op": "getattr", "errno": "EIO", "p": 0.03},
    {"op": "getattr", "delay": 0.2, "p": 0.03},
    {"op": "readdir", "errno": "EIO", "p": 0.1},
    {"op": "readdir", "delay": 1.0, "p": 0.1},
    {"op": "fsync", "errno": "EIO", "p": 0.1},
    {"op": "fsyncdir", "errno": "EIO", "p": 0.1},
    {"op": "utimens", "errno": "EIO", "p": 0.3},
    {"op": "utimens", "errno": "ESTALE", "p": 0.3},
    {"op": "utimens", "delay": 2.0, "p": 0.2},
    {"op": "rename", "errno": "ETIMEDOUT", "p": 0.1},
    {"op": "rename", "errno": "EIO", "after": True, "p": 0.1},
    {"op": "unlink", "errno": "EIO", "p": 0.2},
    {"op": "unlink", "errno": "EIO", "after": True, "p": 0.2},
    {"op": "mkdir", "errno": "ENOSPC", "p": 0.2},
    {"op": "mkdir", "errno": "EIO", "after": True, "p": 0.2},
    {"op": "symlink", "errno": "EIO", "p": 0.2},
)
_AWAY: dict[str, Any] = {"op": "*", "errno": "ETIMEDOUT"}


@dataclass
class _Mount:
    """One mount of the root, with its rules and a log of what was injected."""

    at: Path
    rules: Path
    log: Path
    process: subprocess.Popen[bytes]

    def set_rules(self, rules: list[dict[str, Any]]) -> None:
        new = self.rules.with_suffix(".new")
        new.write_text(json.dumps(rules))
        new.replace(self.rules)


class FaultyFolder(Fault):
    """EIO, ESTALE, ENOSPC, ETIMEDOUT, delays, lost replies and old caches, by `faultfs`."""

    name = "faultfs"

    def __init__(self, every: float, chance: random.Random) -> None:
        super().__init__(every, chance)
        self._mounts: list[_Mount] = []
        self._back_at = 0.0

    def missing(self) -> str:
        if not Path("/dev/fuse").exists():
            return "/dev/fuse"
        if ctypes.util.find_library("fuse") is None:
            return "libfuse2"
        return "" if find_spec("fuse") else "fusepy"

    def set_up(self, scene: Scene) -> None:
        scene.root.mkdir(parents=True, exist_ok=True)
        for number, options in enumerate((_FRESH, _FORGETFUL)):
            self._mounts.append(_mount(scene, f"mount-{number}", options))
        for mount in self._mounts:
            _wait_until_mounted(mount)

    def prepare(self, launch: Launch) -> Launch:
        return replace(launch, root=self._mounts[launch.slot % len(self._mounts)].at)

    def strike(self, _scene: Scene) -> None:
        if self._back_at:
            return
        if self.chance.random() < 0.1:
            self._back_at = time.monotonic() + self.chance.uniform(*_AWAY_SECONDS)
            self.set_rules([_AWAY])
            self.counts["times away"] += 1
            return
        for mount in self._mounts:
            mount.set_rules(self.chance.sample(_MENU, self.chance.choice([0, 4, 8, 12])))

    def tend(self, scene: Scene) -> None:
        if self._back_at and time.monotonic() >= self._back_at:
            self.calm(scene)

    def calm(self, _scene: Scene) -> None:
        self._back_at = 0.0
        self.set_rules([])

    def set_rules(self, rules: list[dict[str, Any]]) -> None:
        """Let every mount follow these rules, from its next operation on."""
        for mount in self._mounts:
            mount.set_rules(rules)

    def tally(self, _scene: Scene) -> None:
        for mount in self._mounts:
            self.counts += Counter(mount.log.read_text().splitlines())

    def clean_up(self, _scene: Scene) -> None:
        for mount in self._mounts:
            mount.process.send_signal(signal.SIGTERM)
            try:
                mount.process.wait(10)
            except subprocess.TimeoutExpired:
                subprocess.run(["umount", "--lazy", mount.at], check=False)
                mount.process.kill()
                mount.process.wait()
        self._mounts = []


def _mount(scene: Scene, name: str, options: tuple[str, ...]) -> _Mount:
    at, rules, log = (scene.folder / f"{name}{suffix}" for suffix in ("", ".rules.json", ".log"))
    at.mkdir()
    rules.write_text("[]")
    log.touch()
    argv = [sys.executable, "-m", "tests.soak.faultfs", *map(str, (scene.root, at, rules, log)), *options]
    return _Mount(at, rules, log, subprocess.Popen(argv, start_new_session=True))


def _wait_until_mounted(mount: _Mount) -> None:
    until = time.monotonic() + _MOUNT_SECONDS
    while not mount.at.is_mount():
        assert mount.process.poll() is None, "faultfs did not start"
        assert time.monotonic() < until, "faultfs was not mounted in time"
        time.sleep(0.05)
