"""A folder of its own for a test: a root, jobs to run, and real `orch` processes that all end with the test."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs import layout
from jobs.records import Claimer, EndRecord, decode_claimer, decode_end
from jobs.snapshot import planned
from jobs.spec import JobSpec
from orchestrator.planning import plan_grid
from tests.orchestrator.waiting import PATIENCE_SECONDS, wait_until

MARK = "ORCH_TEST_MARK"
ORCH = (sys.executable, "-m", "orchestrator")
WORKER = ("worker", "--gpus", "none")


@dataclass
class Started:
    """A process that a test started; `mark` is in the environment of all that comes of it."""

    process: subprocess.Popen[bytes]
    mark: str
    output: Path

    def said(self) -> str:
        return self.output.read_text()

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        return self.process.wait(timeout)

    def processes(self) -> dict[int, str]:
        return marked(self.mark)

    def wait_until_nothing_is_left(self) -> None:
        wait_until(lambda: not self.processes(), f"no process of {self.mark} is left")


@dataclass
class Scene:
    """See the module's docstring. Workers start in `folder`, and find `deeds` there."""

    folder: Path
    lease_seconds: float = 2.0
    started: list[Started] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "tmp").mkdir()
        shutil.copy(Path(__file__).with_name("deeds.py"), self.folder)

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def environment(self, mark: str = "", more: Mapping[str, str] | None = None) -> dict[str, str]:
        outer = {key: value for key, value in os.environ.items() if not key.startswith(("ORCH_", "PYTHON"))}
        ours = {
            "ORCH_ROOT": str(self.root),
            "ORCH_LEASE_SECONDS": str(self.lease_seconds),
            "ORCH_CACHE": str(self.folder / "cache"),
            "PYTHONPATH": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            MARK: mark or f"{self.folder}:command",
        }
        return outer | ours | dict(more or {})

    def orch(
        self, *words: str, expect: int = 0, before: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> tuple[str, str]:
        """Run a command to its end: what it printed, and what it said on stderr.

        Args:
            words: the command.
            expect: its exit code.
            before: what to start it with, such as `unshare`.
            env: further environment variables.
        """
        run = subprocess.run(
            [*before, *ORCH, *words],
            cwd=self.folder,
            env=self.environment(more=env),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert run.returncode == expect, f"exit code {run.returncode}:\n{run.stdout}\n{run.stderr}"
        return run.stdout, run.stderr

    def start(self, *words: str, before: tuple[str, ...] = (), env: Mapping[str, str] | None = None) -> Started:
        """Start a command; all its processes carry a mark of its own."""
        number = len(self.started)
        mark, output = f"{self.folder}:{number}", self.folder / f"said-{number}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*before, *ORCH, *words],
                cwd=self.folder,
                env=self.environment(mark, env),
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.started.append(Started(process, mark, output))
        return self.started[-1]

    def plan(self, name: str, grid: str) -> None:
        """Plan an experiment of that name from the text of a grid."""
        path = self.folder / f"{name}.{len(list(self.folder.glob('*.yaml')))}.yaml"
        path.write_text(f"name: {name}\n{grid}")
        plan_grid(self.root, path)

    def jobs(self, experiment: str) -> list[JobSpec]:
        return list(planned(self.root, experiment))

    def job(self, experiment: str) -> str:
        """The id of an experiment's only job."""
        (job,) = self.jobs(experiment)
        return job.id

    def ends(self, experiment: str) -> dict[str, dict[int, EndRecord]]:
        """Every end of every job of an experiment, by job and attempt."""
        ends: dict[str, dict[int, EndRecord]] = {job.id: {} for job in self.jobs(experiment)}
        for path in (self.root / experiment / layout.LOG).glob("*/*.end"):
            register = layout.parse_register(path.name)
            assert register is not None
            ends[register.job][register.attempt] = decode_end(path.read_bytes())
        return ends

    def kinds(self, experiment: str) -> dict[str, list[str]]:
        """How the attempts of every job ended, in their order."""
        return {job: [ends[n].kind.value for n in sorted(ends)] for job, ends in self.ends(experiment).items()}

    def end(self, experiment: str, attempt: int = 1) -> EndRecord:
        """How an attempt of an experiment's only job ended."""
        return self.ends(experiment)[self.job(experiment)][attempt]

    def claimer(self, experiment: str, job: str, attempt: int) -> Claimer:
        return decode_claimer((self.root / layout.claim(experiment, job, attempt)).read_bytes())

    def session_end(self, sid: str) -> EndRecord:
        return decode_end((self.root / layout.session_end(sid)).read_bytes())

    def attempt_folders(self, experiment: str) -> list[Path]:
        return sorted(path for path in (self.root / experiment / layout.JOBS).glob("*/[0-9]*"))

    def lines(self) -> list[str]:
        """What `deeds.append` has written."""
        path = self.folder / "lines.txt"
        return path.read_text().split() if path.exists() else []

    def wait_for(self, name: str) -> str:
        """Wait for a file that a job writes; its text."""
        path = self.folder / name
        wait_until(path.exists, f"{name} is there")
        return path.read_text()

    def end_all(self) -> None:
        """Kill whatever is left of what was started here, and nothing else."""
        for started in self.started:
            for pid in started.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                started.process.kill()
            started.process.wait()


def marked(mark: str) -> dict[int, str]:
    """Every living process whose environment carries a mark: pid -> command line."""
    wanted = f"{MARK}={mark}".encode()
    found = {}
    for pid, environment in _environments():
        if wanted in environment.split(b"\0"):
            with contextlib.suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def _environments() -> Iterator[tuple[int, bytes]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # gone meanwhile, or a zombie, which has none
                yield int(entry.name), (entry / "environ").read_bytes()


def environment_of(pid: int) -> Mapping[str, str]:
    """The environment that a process was started with."""
    text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return dict(line.partition("=")[::2] for line in text.split("\0") if line)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def error_line(stderr: str) -> str:
    """The one line that a command said on stderr before it gave up."""
    (line,) = stderr.splitlines()
    assert line.startswith("error: "), stderr
    return line


def grid(**words: Any) -> str:
    """The text of a grid; values in YAML's flow style are JSON."""
    return "".join(f"{key.replace('__', '.')}: {json.dumps(value)}\n" for key, value in words.items())
