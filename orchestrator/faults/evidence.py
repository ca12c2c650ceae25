"""Every register of a root at rest, read plainly: name by name, byte by byte, with no decision shared with workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs import layout
from jobs.spec import DEFAULT_MAX_ATTEMPTS
from orchestrator.faults.findings import Breach, Finding

Body = dict[str, Any]  # a register's JSON object; empty where it cannot be decoded


@dataclass
class Job:
    """All registers of one job: claims and ends by attempt, and the attempts that are void or marked as done."""

    experiment: str
    id: str
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    needs: tuple[str, ...] = ()
    claims: dict[int, Body] = field(default_factory=dict)
    ends: dict[int, Body] = field(default_factory=dict)
    voids: set[int] = field(default_factory=set)
    markers: set[int] = field(default_factory=set)

    @property
    def top(self) -> int:
        return max([*self.claims, *self.ends], default=0)

    def kind(self, number: int) -> str:
        return str(self.ends.get(number, {}).get("end", "illegible"))

    def is_void(self, number: int, until: int) -> bool:
        """Whether a void took that end back before attempt `until`."""
        return any(number <= void < until for void in self.voids)


@dataclass
class Evidence:
    """What lies in a root.

    Attributes:
        sessions: how each ended, by sid; `open`: it has a lease or a ticket, and no end.
        experiments: the planned jobs of each, by id.
        findings: what could not be read as what it should be.
    """

    root: Path
    sessions: dict[str, str] = field(default_factory=dict)
    experiments: dict[str, dict[str, Job]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, breach: Breach, path: Path, what: str = "") -> None:
        where = path.relative_to(self.root).as_posix()
        self.findings.append(Finding(breach, f"{where}: {what}" if what else where))

    def load(self, path: Path) -> Body:
        body = _object(path.read_bytes())
        if body is None:
            self.add(Breach.ILLEGIBLE, path)
        return body or {}


def gather(root: Path) -> Evidence:
    """Read all registers of a root.

    Raises:
        OSError: something there cannot be read.
    """
    found = Evidence(root)
    _read_sessions(found)
    for plan in sorted(root.glob(f"[!.]*/{layout.PLAN}")):
        jobs = found.experiments[plan.parent.name] = _read_plan(found, plan)
        _read_log(found, plan.parent, jobs)
        _read_markers(found, plan.parent, jobs)
    return found


def _object(data: bytes | str) -> Body | None:
    try:
        body = json.loads(data)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _read_sessions(found: Evidence) -> None:
    for path in (found.root / layout.TMP).glob("*.claim"):
        found.sessions[path.name.partition(".")[0]] = "open"
    for path in (found.root / layout.SESSIONS).glob("*.lease"):
        found.sessions.setdefault(path.stem, "open")
    for path in (found.root / layout.SESSIONS).glob("*.end"):
        found.sessions[path.stem] = str(found.load(path).get("end", "illegible"))


def _read_plan(found: Evidence, plan: Path) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    for path in sorted(plan.glob("*.jsonl")):
        for line in filter(None, path.read_text(encoding="utf-8").split("\n")):
            name, _, text = line.partition("\t")
            body = _object(text)
            if body is None:
                found.add(Breach.ILLEGIBLE, path, repr(line[:60]))
                continue
            job = jobs.setdefault(name, Job(plan.parent.name, name))
            job.max_attempts = body.get("policy", {}).get("max_attempts", DEFAULT_MAX_ATTEMPTS)
            job.needs = tuple(body.get("needs", ()))
    return jobs


def _registers(found: Evidence, folder: Path) -> Iterator[tuple[Path, layout.Register]]:
    for path in sorted(folder.glob("*/*")):
        register = layout.parse_register(path.name)
        if register is None or path.parent.name != layout.shard(register.job):
            found.add(Breach.STRANGE, path)
        else:
            yield path, register


def _read_log(found: Evidence, experiment: Path, jobs: dict[str, Job]) -> None:
    for path, (name, number, suffix) in _registers(found, experiment / layout.LOG):
        if name not in jobs:
            found.add(Breach.STRANGE, path, "nobody planned that job")
            continue
        body = found.load(path)
        if suffix == ".void":
            jobs[name].voids.add(number)
        else:
            (jobs[name].ends if suffix else jobs[name].claims)[number] = body


def _read_markers(found: Evidence, experiment: Path, jobs: dict[str, Job]) -> None:
    for path, (name, number, suffix) in _registers(found, experiment / layout.DONE):
        if name in jobs and not suffix:
            jobs[name].markers.add(number)
        else:
            found.add(Breach.STRANGE, path)
