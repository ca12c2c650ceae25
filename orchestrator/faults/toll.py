"""What a trial took and what it found: counts, and whether every promise was kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.faults.audit import Audit
from orchestrator.faults.findings import Breach
from orchestrator.faults.takeover import TakeOver
from orchestrator.faults.workload import Diary

_SAMPLES = 5


@dataclass
class Toll:
    """What became of a trial.

    Attributes:
        name: of the trial; `seed`, `seconds`, `lease_seconds`: what it was given.
        workers: how many were started in all.
        faults: what was injected, by plug-in and name.
        skipped: plug-ins and places that this host has not got, with what is missing.
        idle: plug-ins that did nothing though nothing is missing.
        jobs, audit, wrong, diary: what was planned, what the judge found, and what executions told.
        take_overs: of sessions that were silenced while they held attempts.
        left_behind: processes that outlived their worker, by command line.
        refused: workers that would not start, as the folder failed them right then, and said so in a line.
        gave_up: workers that left for a passing fault, and what they said last.
        hung: workers that did not leave when told to, or when nothing was left.
        looks: what witnesses did, by witness and name; `seen`: what they saw that must not be.
    """

    name: str
    seed: int
    lease_seconds: float
    seconds: float = 0.0
    workers: int = 0
    faults: dict[str, Counter[str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    idle: list[str] = field(default_factory=list)
    jobs: int = 0
    audit: Audit = field(default_factory=Audit)
    wrong: list[str] = field(default_factory=list)
    diary: Diary = field(default_factory=Diary)
    take_overs: list[TakeOver] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)
    refused: int = 0
    gave_up: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    looks: dict[str, Counter[str]] = field(default_factory=dict)
    seen: dict[str, list[str]] = field(default_factory=dict)

    @property
    def injected(self) -> int:
        """How many faults there were in all."""
        return sum(sum(counts.values()) for counts in self.faults.values())

    def longest(self) -> dict[str, float]:
        """The longest take-over, in leases, by how the session was silenced."""
        longest: dict[str, float] = {}
        for one in self.take_overs:
            longest[one.path] = max(longest.get(one.path, 0.0), one.seconds / self.lease_seconds)
        return longest

    @property
    def is_clean(self) -> bool:
        return not any(True for _ in self.violations())

    def violations(self) -> Iterator[str]:
        """Every promise that was not kept, and every part that did nothing."""
        for breach in Breach:
            where = [finding.where for finding in self.audit.findings if finding.breach is breach]
            if where:
                yield _told(breach.value, where)
        lists = {
            "results that are not what their seeds give": self.wrong,
            "attempts that ran more than once": list(self.diary.shared),
            "processes left behind": self.left_behind,
            "workers that gave up": self.gave_up,
            "workers that hung": self.hung,
            "plug-ins that did nothing": self.idle,
            **{f"broken looks at {name}": seen for name, seen in self.seen.items()},
        }
        for what, found in lists.items():
            if found:
                yield _told(what, found)
        if not self.audit.states["done"]:
            yield "no job was done"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "seed": self.seed,
            "lease_seconds": self.lease_seconds,
            "seconds": round(self.seconds, 1),
            "workers": self.workers,
            "starts_refused": self.refused,
            "injected": self.injected,
            "faults": {name: dict(sorted(counts.items())) for name, counts in self.faults.items()},
            "skipped": self.skipped,
            "jobs": self.jobs,
            "executions": self.diary.executions,
            "writes_refused": dict(sorted(self.diary.refused.items())),
            "looks": {name: dict(sorted(counts.items())) for name, counts in self.looks.items()},
            "broken_looks": {name: len(seen) for name, seen in self.seen.items()},
            "take_overs": len(self.take_overs),
            "longest_take_over_leases": {path: round(leases, 2) for path, leases in self.longest().items()},
            "audit": self.audit.as_json(),
            "violations": list(self.violations()),
        }


def _told(what: str, found: list[str]) -> str:
    return f"{len(found)} {what}: " + "; ".join(found[:_SAMPLES]) + ("; ..." if len(found) > _SAMPLES else "")


def render(toll: Toll) -> Iterator[str]:
    """A trial's counts, for a person."""
    yield f"{toll.name}: seed {toll.seed}, {toll.seconds:.0f} s, {toll.injected} faults"
    for name, missing in toll.skipped.items():
        yield f"  skipped {name}: missing {missing}"
    for name, counts in toll.faults.items():
        yield f"  {name}: " + (", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing")
    yield f"  {toll.workers} workers started" + (f", {toll.refused} of them in vain" if toll.refused else "")
    found = toll.audit
    states = ", ".join(f"{count} {state}" for state, count in sorted(found.states.items()))
    ends = ", ".join(f"{count} {kind}" for kind, count in sorted(found.ends.items()))
    yield f"  {toll.jobs} jobs ({states}), {toll.diary.executions} executions, {found.claims} attempts ({ends})"
    if toll.diary.refused:
        refused = ", ".join(f"{count} {name}" for name, count in sorted(toll.diary.refused.items()))
        yield f"  writes that jobs saw refused, and did again: {refused}"
    for name, counts in toll.looks.items():
        looks = ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"
        yield f"  looks at {name}: {looks}; {len(toll.seen[name])} broken"
    yield f"  {found.files} result files of {found.file_bytes / 2**20:.0f} MiB compared with their records"
    longest = ", ".join(f"{leases:.2f} leases when {path}" for path, leases in sorted(toll.longest().items()))
    yield f"  {len(toll.take_overs)} take-overs" + (f", the longest {longest}" if longest else "")
    yield f"  {found.count(Breach.LOST)} lost, {found.count(Breach.TWICE)} accepted twice, " + (
        f"{found.count(Breach.DIFFERS)} results that differ from their record, {len(toll.left_behind)} processes left"
    )
    for violation in toll.violations():
        yield f"  VIOLATION: {violation}"
