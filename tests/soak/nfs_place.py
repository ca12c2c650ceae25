"""Guests as places for the engine's workers, and the root on their file server as its ground."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orchestrator
from jobs.records import Claimer, decode_claimer
from orchestrator.faults.audit import Audit, from_json
from orchestrator.faults.deeds import DIARY
from orchestrator.faults.places import MARK, Launch
from orchestrator.faults.workload import Workload
from tests.soak.nfs_lab import Guest, Lab, Mount, missing

ROOT: Final = Path("/mnt/s/root")  # as guests see it
SERVER_ROOT: Final = Path("/mnt/export/root")
CODE: Final = Path(orchestrator.__file__).parents[1]
_POWERED_OFF: Final = -signal.SIGKILL
_TERMINATED: Final = 128 + signal.SIGTERM
_KERNEL_DIED: Final = 255
_JUDGE_SECONDS: Final = 900.0
_LEFT: Final = re.compile(r"^worker left: (\d+)$", re.MULTILINE)
_REMAINED: Final = re.compile(r"^left behind: (.*)$", re.MULTILINE)
_DIARY_LINE: Final = re.compile(r"^\S+ \d{4,}-[0-9a-f]{16}\S* \S+ \d+ \d+\.\d{3}$", re.MULTILINE)
_WORKER_JOB: Final = """\
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
until {mount}; do [ -e {stop} ] && exit; sleep 1; done
[ -e {stop} ] && exit
cd /run
env {env} {argv} &
worker=$!
(until [ -e {stop} ]; do sleep 1; done; kill -TERM $worker) &
wait $worker
status=$?
kill $! 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
  left=$(grep -lsz ^{mark}= /proc/[0-9]*/environ) || break
  sleep 1
done
for one in $left; do echo "left behind: $(tr '\\0' ' ' < ${{one%environ}}cmdline)"; done
echo "worker left: $status"
"""


def in_guest(env: Mapping[str, str], *words: str) -> str:
    """The shell command that runs python with this project's code in a guest."""
    return shlex.join(["env", f"PYTHONPATH={CODE}", *(f"{k}={v}" for k, v in env.items()), sys.executable, *words])


class GuestWorker:
    """A worker in a guest that was switched on for it: a victim of the engine."""

    def __init__(self, guest: Guest, launch: Launch, mount: Mount) -> None:
        self.guest, self.launch = guest, launch
        self.expected = set(launch.expected)
        self.is_stopped = False
        self._stop = guest.lab.folder / f"stop-{launch.number}"
        env = {
            **launch.env,
            DIARY: "/dev/console",  # the only thing that outlives a power-off
            MARK: str(launch.number),
            "ORCH_ROOT": str(launch.root),
            "PYTHONPATH": str(CODE),
        }
        guest.boot(
            _WORKER_JOB.format(
                mount=mount.command(),
                stop=self._stop,
                env=shlex.join(f"{name}={value}" for name, value in env.items()),
                argv=shlex.join(launch.argv),
                mark=MARK,
            )
        )
        self._console = guest.console
        self._was_powered_off = False
        self._executions = 0

    @property
    def is_well(self) -> bool:
        """Whether it works, as far as can be seen: it began a job since it was last cut off from the folder."""
        return not self.is_stopped and self.said().count(" ran ") > self._executions

    def was_cut_off(self) -> None:
        """It may reach the folder again from now on; whether it does is to be seen."""
        self._executions = self.said().count(" ran ")

    def poll(self) -> int | None:
        if self._was_powered_off:
            return _POWERED_OFF
        if self.guest.is_on:
            return None
        left = _LEFT.search(self.said())
        return int(left[1]) if left else 0 if self._stop.exists() else _KERNEL_DIED

    def power_off(self) -> None:
        self._was_powered_off = True
        self.expected.add(_POWERED_OFF)
        self.guest.power_off()

    def send(self, number: signal.Signals, *, to_all: bool = False) -> bool:
        """SIGTERM reaches the worker; SIGKILL, SIGSTOP and SIGCONT are for the whole guest."""
        if self.poll() is not None:
            return False
        if number is signal.SIGTERM:
            if "\nworker " not in self.said():  # python may not listen yet
                self.expected.add(_TERMINATED)
            self._stop.touch()
        elif number is signal.SIGKILL:
            self.power_off()
        elif number is signal.SIGSTOP:
            self.guest.freeze()
        elif number is signal.SIGCONT:
            self.guest.thaw()
        else:
            return False
        return True

    def owns(self, who: Claimer) -> bool:
        return f"boot {who.boot}\n" in self.said()

    def said(self) -> str:
        return self._console.read_text(errors="replace")

    def left_behind(self) -> list[str]:
        return _REMAINED.findall(self.said())

    def end(self) -> None:
        if self.poll() is None:
            self.power_off()


class GuestPlace:
    """One guest, switched on for each worker that is started there."""

    def __init__(self, guest: Guest, mount: Mount) -> None:
        self.guest, self.mount, self.name = guest, mount, f"guest {guest.name}"

    def missing(self) -> str:
        return ", ".join(missing())

    def start(self, launch: Launch) -> GuestWorker:
        return GuestWorker(self.guest, launch, self.mount)


class ServerGround:
    """The root on the lab's file server. What it holds is told by the server itself, past all clients' caches.

    Args:
        lab: with `beside` as its server's job.
        mount: how the judge mounts it.
        folder: of this host, where plans are written for the server to take.
    """

    root = ROOT

    def __init__(self, lab: Lab, mount: Mount, folder: Path) -> None:
        self.lab, self.mount, self.folder = lab, mount, folder
        self._read: tuple[Path | None, int] = (None, 0)
        self._marked = 0
        self._owners: dict[str, Claimer] = {}
        self._ended: set[str] = set()

    @staticmethod
    def beside(folder: Path) -> str:
        """What the server does while it serves: it takes plans from `folder` and tells what the root holds."""
        return in_guest({}, "-m", "tests.soak.nfs_eye", str(_plans(folder)), str(SERVER_ROOT))

    def plan(self, workload: Workload, count: int) -> None:
        workload.plan(_plans(self.folder), count)

    def marked(self) -> int:
        self._look()
        return self._marked

    def owners(self) -> dict[str, Claimer]:
        self._look()
        return self._owners

    def has_ended(self, sid: str) -> bool:
        self._look()
        return sid in self._ended

    def judge(self) -> tuple[Audit, list[str]]:
        """Ask a guest that was just switched on, so that no cache stands between it and the server."""
        self._collect_diary()
        guest = self.lab.guests[0]
        guest.boot(f"{self.mount.command()}\n{in_guest({}, '-m', 'tests.soak.nfs_judge', str(ROOT))}\n")
        said = guest.wait_for("job over", _JUDGE_SECONDS)
        guest.power_off()
        verdict: dict[str, Any] = json.loads(_last(said, "verdict "))
        return from_json(verdict["audit"]), verdict["wrong"]

    def _look(self) -> None:
        """Take in what the server has told since the last look."""
        console, offset = self._read
        if console != self.lab.server.console:
            console, offset = self.lab.server.console, 0
        with console.open("rb") as file:
            file.seek(offset)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        self._read = (console, offset + len(data))
        for line in data.decode(errors="replace").splitlines():
            if line.startswith("eye "):
                told = json.loads(line.removeprefix("eye "))
                self._marked = told["marked"]
                self._owners = {who.sid: who for who in (decode_claimer(text.encode()) for text in told["owners"])}
                self._ended |= set(told["ended"])

    def _collect_diary(self) -> None:
        """What the executions told on their guests' consoles, in one file."""
        lines = [
            line
            for guest in self.lab.guests
            for console in sorted(self.lab.folder.glob(f"{guest.name}.*.out"))
            for line in _DIARY_LINE.findall(console.read_text(errors="replace"))
        ]
        (self.folder / "diary.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _plans(folder: Path) -> Path:
    return folder.absolute() / "plans"


def _last(text: str, head: str) -> str:
    return next(line.removeprefix(head) for line in reversed(text.splitlines()) if line.startswith(head))
