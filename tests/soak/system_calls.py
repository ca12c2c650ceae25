"""Errors, and death, at the n-th system call of a kind, in one worker at a time: `strace -e inject`."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

from orchestrator.faults.places import Launch
from orchestrator.faults.plugins import Fault, Scene

# What is interposed: calls by which the folder is changed or asked, and what they may answer.
_CALLS = {
    "link": ("EIO", "ESTALE", "ETIMEDOUT"),
    "fsync": ("EIO", "ENOSPC", "ESTALE"),
    "rename": ("EIO", "ESTALE"),
    "unlink": ("EIO", "ESTALE"),
    "mkdir": ("EIO", "ENOSPC"),
    "utimensat": ("EIO", "ESTALE"),
    "symlink": ("EIO", "ESTALE"),
    "statx": ("EIO", "ESTALE", "ETIMEDOUT"),
}
# The first folders that a worker makes are of this host: errors there would be no fault of the shared one. For the same
# reason `open` is not here: /proc is not the folder either (faultfs sees to that call).
_FIRST = {"mkdir": 10}

# 4711  link("a", "b") = -1 EIO (Input/output error) (INJECTED); or its second half: 4711  <... link resumed>) ...
_INJECTED = re.compile(r"^[0-9]+ +(?:<\.\.\. )?([a-z]+).* = -1 ([A-Z]+) .*\(INJECTED\)$")


# 4711  link("a", "b") = ?: it died before the call was carried out.
_DIED = re.compile(r"^[0-9]+ +link\(.* = \?$")
_KILLED = frozenset({-signal.SIGKILL, 128 + signal.SIGKILL})


class SystemCalls(Fault):
    """A worker under strace: every so manieth call of three kinds fails, or it dies right before its n-th link."""

    name = "system calls"

    def __init__(self, every: float, chance: random.Random) -> None:
        super().__init__(every, chance)
        self._logs: list[Path] = []

    def missing(self) -> str:
        if not shutil.which("strace"):
            return "strace"
        probe = ["strace", "-qq", "-o", os.devnull, "-e", "inject=fsync:error=EIO:when=1", "true"]
        run = subprocess.run(probe, capture_output=True, text=True, check=False)
        return "" if run.returncode == 0 else f"the right to trace ({run.stderr.strip()})"

    def prepare(self, launch: Launch) -> Launch:
        if launch.slot != 1:
            return launch
        log = launch.folder / f"strace-{launch.number:04d}.txt"
        self._logs.append(log)
        if self.chance.random() < 0.5:
            death = f"inject=link:signal=KILL:when={self.chance.randrange(1, 25)}"
            launch = replace(launch, expected=launch.expected | _KILLED)
            return launch.wrapped("strace", "-f", "-qq", "-o", str(log), "-e", "trace=link", "-e", death)
        calls = self.chance.sample(list(_CALLS), 3)
        injections = [word for call in calls for word in ("-e", self._injection(call))]
        return launch.wrapped("strace", "-f", "-qq", "-o", str(log), "-e", f"trace={','.join(calls)}", *injections)

    def _injection(self, call: str) -> str:
        first = self.chance.randrange(3, 30) + _FIRST.get(call, 0)
        step = self.chance.randrange(3, 25)
        return f"inject={call}:error={self.chance.choice(_CALLS[call])}:when={first}+{step}"

    def tally(self, _scene: Scene) -> None:
        for log in self._logs:
            for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
                if _DIED.match(line):
                    self.counts["SIGKILL before a link"] += 1
                elif match := _INJECTED.search(line):
                    self.counts[f"{match[1]} {match[2]}"] += 1
