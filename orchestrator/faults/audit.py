"""An independent judge of a root at rest: `python -m orchestrator.faults.audit ROOT [--json]`.

It shares no decision with the workers, so that a mistake of theirs cannot hide in it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.faults.evidence import gather
from orchestrator.faults.findings import Breach, Finding
from orchestrator.faults.judging import has_stale_link, judge, named_files, state

_SAMPLES: Final = 5


@dataclass
class Audit:
    """What a root holds.

    Attributes:
        jobs: planned.
        claims: attempts that were claimed.
        ends: of attempts, by kind.
        states: final states of the jobs: done, cancelled, nan, spent (stopped at a bound), blocked (by a need).
        sessions: how they ended, by kind; `open`: without an end (killed while they held nothing, or at work).
        files: result files that were read and compared; `file_bytes`: how large they are together.
        stale_links: `result` links that do not show the newest accepted attempt; for people only.
        findings: what is wrong.
    """

    jobs: int = 0
    claims: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    sessions: Counter[str] = field(default_factory=Counter)
    files: int = 0
    file_bytes: int = 0
    stale_links: int = 0
    findings: list[Finding] = field(default_factory=list)

    def count(self, breach: Breach) -> int:
        return sum(finding.breach is breach for finding in self.findings)

    @property
    def is_sound(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        return {
            "jobs": self.jobs,
            "claims": self.claims,
            "ends": dict(sorted(self.ends.items())),
            "states": dict(sorted(self.states.items())),
            "sessions": dict(sorted(self.sessions.items())),
            "files": self.files,
            "file_bytes": self.file_bytes,
            "stale_links": self.stale_links,
            "breaches": {breach.name.lower(): self.count(breach) for breach in Breach},
            "findings": [[finding.breach.name.lower(), finding.where] for finding in self.findings],
        }


def from_json(document: Mapping[str, Any]) -> Audit:
    """The audit that `as_json` wrote, on another host perhaps."""
    return Audit(
        jobs=document["jobs"],
        claims=document["claims"],
        ends=Counter(document["ends"]),
        states=Counter(document["states"]),
        sessions=Counter(document["sessions"]),
        files=document["files"],
        file_bytes=document["file_bytes"],
        stale_links=document["stale_links"],
        findings=[Finding(Breach[name.upper()], where) for name, where in document["findings"]],
    )


def audit(root: Path) -> Audit:
    """Read a whole root, its result files too.

    Raises:
        OSError: something there cannot be read.
    """
    evidence = gather(root)
    found = Audit(sessions=Counter(evidence.sessions.values()), findings=evidence.findings)
    for jobs in evidence.experiments.values():
        for job in jobs.values():
            found.jobs += 1
            found.claims += len(job.claims)
            found.ends.update(map(job.kind, job.ends))
            sizes = [size for _, size in named_files(job)]
            found.files += len(sizes)
            found.file_bytes += sum(sizes)
            found.stale_links += has_stale_link(root, job)
            found.findings += judge(root, job, evidence.sessions)
            if (final := state(job, jobs)) != "lost":
                found.states[final] += 1
            else:
                kinds = [job.kind(number) for number in sorted(job.ends)]
                where = f"{job.experiment}/{job.id}: {len(job.claims)} attempts, ends {kinds}"
                found.findings.append(Finding(Breach.LOST, where))
    return found


def render(found: Audit) -> Iterator[str]:
    """What was found, for a person."""
    yield f"{found.jobs} jobs, {found.claims} attempts, {found.files} files of {found.file_bytes / 2**20:.1f} MiB read"
    for name, counts in (("states", found.states), ("ends", found.ends), ("sessions", found.sessions)):
        yield f"{name}: " + (", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none")
    for breach in Breach:
        where = [finding.where for finding in found.findings if finding.breach is breach]
        if where:
            yield f"{len(where)} {breach.value}: " + "; ".join(where[:_SAMPLES]) + ("; ..." * (len(where) > _SAMPLES))
    yield "sound" if found.is_sound else f"NOT sound: {len(found.findings)} findings"


@click.command()
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def main(root: Path, as_json: bool) -> None:
    """Judge a root at rest; exit code 1 where a promise was broken."""
    found = audit(root)
    for line in [json.dumps(found.as_json())] if as_json else render(found):
        click.echo(line)
    sys.exit(0 if found.is_sound else 1)


if __name__ == "__main__":
    main()
