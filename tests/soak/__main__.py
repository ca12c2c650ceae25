"""`python -m tests.soak --minutes 10 --seed S`: real workers under every fault that this host can make; `make soak`."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from orchestrator.faults.engine import Engine, Trial
from orchestrator.faults.findings import Breach
from orchestrator.faults.ground import HereGround
from orchestrator.faults.toll import Toll, render
from tests.soak.phases import PHASES, Phase
from tests.soak.status_loop import StatusLoop

_DRAIN_SHARE = 0.3  # of a phase's time, left for what remains when the faults are over


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="In all, about.")
@click.option("--seed", type=int, help="Of all that is random but the processes themselves.  [default: a new one]")
@click.option(
    "--phase", "names", multiple=True, type=click.Choice([phase.name for phase in PHASES]), help="Only these."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all counts there.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep what phases leave in this folder.")
def main(minutes: float, seed: int | None, names: tuple[str, ...], json_file: Path | None, keep: Path | None) -> None:
    """Kill, stop, skew and starve workers; count what was lost. Exit code 1 where a promise was broken."""
    for number in (signal.SIGINT, signal.SIGTERM):  # both end it with all that it started
        signal.signal(number, signal.default_int_handler)
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    click.echo(f"soak: seed {seed}, {minutes:g} minutes")
    phases = [phase for phase in PHASES if not names or phase.name in names]
    folder = keep or Path(tempfile.mkdtemp(prefix="orch-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    skipped: dict[str, str] = {}
    tolls: list[Toll] = []
    for phase in phases:
        seconds = 60 * minutes * phase.share / sum(each.share for each in phases)
        toll = _run(phase, folder / phase.name.replace(" ", "-"), seed, seconds, skipped)
        if toll is not None:
            tolls.append(toll)
            _say(*render(toll))
    _say(*_verdict(tolls, skipped))
    if json_file is not None:
        document = {"seed": seed, "skipped": skipped, "phases": [toll.as_json() for toll in tolls]}
        json_file.write_text(json.dumps(document, indent=1) + "\n")
    is_clean = bool(tolls) and all(toll.is_clean for toll in tolls)
    if keep is None and is_clean:
        shutil.rmtree(folder)
    elif not is_clean:
        click.echo(f"what was left is kept in {folder}")
    sys.exit(0 if is_clean else 1)


def _run(phase: Phase, folder: Path, seed: int, seconds: float, skipped: dict[str, str]) -> Toll | None:
    faults = phase.plug_ins(seed)
    for fault in faults:
        if type(fault) is phase.essential and (missing := fault.missing()):
            skipped[phase.name] = missing
            click.echo(f"{phase.name}: skipped: missing {missing}")
            return None
    folder.mkdir(parents=True)
    trial = Trial(
        name=phase.name,
        folder=folder,
        ground=HereGround(folder / "root"),
        faults=faults,
        seed=seed,
        seconds=seconds * (1 - _DRAIN_SHARE),
        places=phase.own_places(),
        witnesses=(StatusLoop(),),
        say=click.echo,
    )
    return Engine(trial).run()


def _verdict(tolls: list[Toll], skipped: dict[str, str]) -> Iterator[str]:
    """The table of all phases, and one line that says whether every promise was kept."""
    yield ""
    widths = (7, 6, 6, 6, 5, 6, 7, 5)
    heads = ("faults", "jobs", "done", "ran", "lost", "twice", "differ", "left")
    yield f"{'phase':16} " + " ".join(f"{head:>{w}}" for head, w in zip(heads, widths, strict=True))
    for toll in tolls:
        found = toll.audit
        counts = (toll.injected, toll.jobs, found.states["done"], toll.diary.executions, found.count(Breach.LOST))
        more = (found.count(Breach.TWICE), found.count(Breach.DIFFERS) + len(toll.wrong), len(toll.left_behind))
        yield f"{toll.name:16} " + " ".join(f"{n:>{w}}" for n, w in zip((*counts, *more), widths, strict=True))
    for what, missing in {**skipped, **{k: v for toll in tolls for k, v in toll.skipped.items()}}.items():
        yield f"skipped {what}: missing {missing}"
    by_kind: Counter[str] = Counter()
    for toll in tolls:
        by_kind.update({name: sum(counts.values()) for name, counts in toll.faults.items()})
    yield "faults: " + (", ".join(f"{count} {name}" for name, count in by_kind.items()) or "none")
    looks = sum(sum(counts.values()) for toll in tolls for counts in toll.looks.values())
    broken = sum(len(seen) for toll in tolls for seen in toll.seen.values())
    yield f"looks at status meanwhile: {looks}, {broken} of them broken"
    longest = max((leases for toll in tolls for leases in toll.longest().values()), default=0.0)
    violations = sum(1 for toll in tolls for _ in toll.violations())
    verdict = "every promise was kept" if tolls and not violations else f"{violations} VIOLATIONS"
    total = sum(by_kind.values())
    yield (
        f"verdict: {total} faults, {verdict}; longest take-over {longest:.2f} leases"
        if tolls
        else "verdict: NOTHING RAN"
    )


def _say(*lines: str) -> None:
    for line in lines:
        click.echo(line)


if __name__ == "__main__":
    main()
