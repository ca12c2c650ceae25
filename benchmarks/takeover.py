"""How long a dead worker's jobs wait for another, while 10,000 others wait too and every other worker is busy.

    python benchmarks/takeover.py [--lease 6] [--waiting 10000] [--rounds 3]

A worker that holds two jobs is killed. Told are the seconds, and leases, until its session is ended by one of two busy
workers, and, once these have done what they were at, until both jobs run again; and how many others began in between.
Once with its process in sight, once in a pid namespace of its own, as on another host, where only its lease tells.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobs import layout
from jobs.plan import PlanIndex, read_plan_index
from jobs.records import decode_claimer
from jobs.store import FolderStore

ORCH = (sys.executable, "-m", "orchestrator")
UNSHARE = ("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
HOLD = """
import os, time
from pathlib import Path
HERE = Path(__file__).parent
def hold(i):
    line = os.open(HERE / "lines", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(line, f"{i}\\n".encode())
    os.close(line)
    while not (HERE / f"go-{i}").exists():
        time.sleep(0.01)
"""


@dataclass
class Stage:
    """A root with waiting jobs, and the workers on it."""

    folder: Path
    lease: float

    def plan(self, jobs: int) -> None:
        """Plan jobs that run until they are told to end."""
        (self.folder / "held.py").write_text(HOLD, encoding="utf-8")
        grid = self.folder / "many.yaml"
        grid.write_text(f"name: many\nkind: call\ntarget: held:hold\nparams.i: {list(range(jobs))}\n", encoding="utf-8")
        subprocess.run([*ORCH, "--root", str(self.root), "plan", str(grid)], check=True, stdout=subprocess.DEVNULL)
        index = PlanIndex()
        read_plan_index(FolderStore(self.root), "many", index)
        self.ids = index.order

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def lines(self) -> list[int]:
        """The jobs that began, in that order."""
        path = self.folder / "lines"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def start(self, slots: int, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """A worker."""
        paths = os.pathsep.join([str(self.folder), *sys.path])
        environment = {**os.environ, "PYTHONPATH": paths, "ORCH_LEASE_SECONDS": str(self.lease)}
        words = ("--root", str(self.root), "worker", "--gpus", "none", "--slots", str(slots))
        return subprocess.Popen([*before, *ORCH, *words], env=environment, stdout=subprocess.DEVNULL)

    def session_of(self, job: int) -> str:
        """Who claimed a job's first attempt."""
        return decode_claimer((self.root / layout.claim("many", self.ids[job], 1)).read_bytes()).sid

    def let_go(self, job: int) -> None:
        """Let a job end."""
        (self.folder / f"go-{job}").touch()


def seconds_until(condition: Callable[[], bool]) -> float:
    """How long it takes until something is so."""
    began = time.monotonic()
    while not condition():
        time.sleep(0.005)
        if time.monotonic() - began > 300:
            raise TimeoutError("it never came to that")
    return time.monotonic() - began


def measure(lease: float, waiting: int, before: tuple[str, ...]) -> tuple[float, float, int]:
    """Seconds until the session is ended, then until its jobs run again, and how many others began in between."""
    with tempfile.TemporaryDirectory() as scratch:
        stage = Stage(Path(scratch), lease)
        stage.plan(waiting)
        workers = [stage.start(2, before)]
        try:
            seconds_until(lambda: len(stage.lines()) == 2)
            left = stage.lines()
            end = stage.root / layout.session_end(stage.session_of(left[0]))
            workers += [stage.start(1), stage.start(1)]
            seconds_until(lambda: len(stage.lines()) == 4)
            workers[0].kill()
            missed = seconds_until(end.exists)
            for job in stage.lines()[2:]:
                stage.let_go(job)
            again = seconds_until(lambda: stage.lines()[4:].count(left[0]) + stage.lines()[4:].count(left[1]) == 2)
            return missed, again, len(stage.lines()) - 6
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lease", type=float, default=6.0)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    promised = options.lease + 2 * max(options.lease / 10, 1.0)
    print(f"lease {options.lease:g} s, promised {promised:g} s = {promised / options.lease:.2f} leases")
    for name, before in (("its process is missed", ()), ("its lease is missed", UNSHARE)):
        for _ in range(options.rounds):
            missed, again, others = measure(options.lease, options.waiting, before)
            print(
                f"{name}: ended after {missed:.2f} s = {missed / options.lease:.2f} leases; "
                f"its jobs run {again:.2f} s after the others have room, {others} others before them"
            )


if __name__ == "__main__":
    main()
