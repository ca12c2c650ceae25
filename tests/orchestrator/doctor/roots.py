"""Roots of every kind for the doctor: real mounts, where this host lets one make them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.orchestrator import no_links
from tests.orchestrator.waiting import wait_until
from tests.soak.faulty_folder import FaultyFolder

REPOSITORY = Path(__file__).parents[3]
NO_LINKS = (sys.executable, no_links.__file__)


def works(*command: str) -> bool:
    """Whether this host lets one start a process in that way."""
    try:
        return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def mounted(root: Path, script: str) -> tuple[str, ...]:
    """What to start a command with, so that it alone sees `root` as a shell script has mounted it.

    Args:
        root: the folder, `$1` in the script.
        script: makes the mount.
    """
    root.mkdir(exist_ok=True)
    before = ("unshare", "--mount", "sh", "-c", f'root=$1; shift; {script} && exec "$@"', "sh", str(root))
    if not works(*before):
        pytest.skip("this process may not mount")
    return before


def other_host(name: str) -> tuple[str, ...]:
    """What to start a command with, so that it finds itself on a host of that name."""
    before = ("unshare", "--uts", "sh", "-c", f'hostname {name} && exec "$@"', "sh")
    if not works(*before):
        pytest.skip("this process may not change its host's name")
    return before


@dataclass
class Fuse:
    """A folder shown by a FUSE file system with faults."""

    point: Path
    process: subprocess.Popen[bytes]
    rules: Path

    def rule(self, **rule: Any) -> None:
        self.rules.write_text(json.dumps([rule]))


@contextlib.contextmanager
def fuse(folder: Path, name: str, *options: str) -> Iterator[Fuse]:
    """`folder/back` shown at `folder/<name>`, through caches as `options` say."""
    if missing := FaultyFolder(1.0, random.Random(0)).missing():
        pytest.skip(f"missing {missing}")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no /dev/fuse that may be used")
    back, point, rules, log = (folder / word for word in ("back", name, f"{name}.json", f"{name}.log"))
    back.mkdir(exist_ok=True)
    point.mkdir()
    rules.write_text("[]")
    argv = [sys.executable, "-m", "tests.soak.faultfs", *map(str, (back, point, rules, log)), *options]
    process = subprocess.Popen(argv, cwd=REPOSITORY)
    try:
        wait_until(lambda: os.path.ismount(point) or process.poll() is not None, f"{point} is mounted")
        if process.poll() is not None:
            pytest.skip("this host mounts no FUSE file system")
        yield Fuse(point, process, rules)
    finally:
        process.terminate()
        process.wait()
