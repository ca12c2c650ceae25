"""The process that touches the root: `python -m orchestrator.doctor.child ROOT SECONDS`, a line of JSON a step.

A folder whose server is away may hold a call for ever. So the doctor lets this process make all calls, hears of each
before it begins, and gives up on it, not on itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from orchestrator.doctor import folder, mounts, pairs
from orchestrator.doctor.corner import Corner, corner
from orchestrator.doctor.finding import Finding, Section, Verdict, refused
from orchestrator.doctor.mounts import Reach
from orchestrator.doctor.space import free_inodes, free_space


@dataclass(frozen=True, slots=True)
class Probe:
    """A look at the root.

    Attributes:
        name: as its finding says it.
        run: makes the finding, or raises what the root answered.
        is_link: it is about hard links.
        is_first: without it no other can be tried.
    """

    name: str
    run: Callable[[Corner], Finding]
    is_link: bool = False
    is_first: bool = False


PROBES: Final = (
    Probe("exclusive create", folder.exclusive_create, is_first=True),
    Probe("hard link", folder.hard_link, is_link=True, is_first=True),
    Probe("rename", folder.rename),
    Probe("links in one folder", folder.links_in_one_folder, is_link=True),
    Probe("forced look", folder.forced_look),
    Probe("durable put", folder.durable_put),
    Probe("server's clock", folder.server_clock),
)


def main() -> None:
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    for finding in examine_root(Path(sys.argv[1]), float(sys.argv[2])):
        _tell(finding=finding.as_json())
    _tell(over=True)


def _leave(*_: int | FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what follows is the removal of all that was made
    sys.exit(1)


def _leave_with_parent() -> None:
    while os.read(0, 1):
        pass
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _tell(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def examine_root(root: Path, seconds: float) -> Iterator[Finding]:
    """Everything that can be found out about a root; nothing of it stays there."""
    _tell(begins="mount")
    there = _nearest(root).resolve()
    mount = mounts.mount_of(str(there), mounts.here())
    yield mounts.judge(mount)
    try:
        _tell(begins="free space")
        yield free_space(there, Section.ROOT)
        yield free_inodes(there, Section.ROOT)
        _tell(begins="a corner for probes")
        with corner(root, patience_seconds=seconds) as mine:
            yield from _probe(mine, Reach.UNKNOWN if mount is None else mount.reach, seconds)
            _tell(begins="removal of the probes")
    except OSError as error:
        yield refused("folder", error)


def _nearest(root: Path) -> Path:
    while not root.exists() and root != root.parent:
        root = root.parent
    return root


def _probe(mine: Corner, reach: Reach, seconds: float) -> Iterator[Finding]:
    mine.announce()
    began = time.monotonic()
    with pairs.own_peer(mine, seconds):
        for probe in PROBES:
            _tell(begins=probe.name)
            try:
                finding = probe.run(mine)
            except OSError as error:
                finding = refused(probe.name, error, is_link=probe.is_link)
            yield finding
            if probe.is_first and finding.verdict is Verdict.UNFIT:
                return
        _tell(begins="what a second process sees", seconds=4 * seconds)
        yield from pairs.measure(pairs.Meeting(mine, reach, seconds, began))


if __name__ == "__main__":
    main()
