"""`make soak-nfs`: four guests with NFS clients of their own, a file server that crashes, and a count at the end."""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.faults.engine import Engine, Trial
from orchestrator.faults.findings import Breach
from orchestrator.faults.toll import Toll, render
from tests.soak.nfs_faults import CableCut, Freeze, PowerOff, ServerCrash, Truce
from tests.soak.nfs_lab import VERSIONS, Lab, Mount, missing
from tests.soak.nfs_place import GuestPlace, ServerGround

GUESTS: Final = 4
_UNFIT: Final = 3
_LONGEST_SECONDS: Final = 4.0  # of a job: guests are slow, and a blow is to find something at work
_BACK_SECONDS: Final = 240.0  # a client that lost its server tries again at growing intervals
_DRAIN_SECONDS: Final = 600.0


def soak(mount: Mount, seconds: float, seed: int, folder: Path, lease_seconds: float) -> Toll:
    """One version of NFS under attack.

    Args:
        mount: how guests mount the root.
        seconds: how long faults are injected.
        seed: of all that is random.
        folder: new, for consoles and the server's disk.
        lease_seconds: of every worker.
    """
    folder.mkdir()
    name = f"NFS {mount.version}" + (f" {mount.options}" if mount.options else "")

    def chance(fault: str) -> random.Random:
        return random.Random(f"{seed} {name} {fault}")

    with Lab(folder, GUESTS, ServerGround.beside(folder)) as lab:
        lab.start_server()
        truce, every = Truce(chance("witness")), min(3 * lease_seconds, seconds / 6)
        faults = [
            *(kind(every, chance(kind.name), truce) for kind in (PowerOff, Freeze, CableCut)),
            ServerCrash(3 * every, chance(ServerCrash.name), truce, lab),
        ]
        trial = Trial(
            name=name,
            folder=folder,
            ground=ServerGround(lab, Mount(mount.version), folder),  # the judge is not to give up
            faults=faults,
            seed=seed,
            seconds=seconds,
            places=[GuestPlace(guest, mount) for guest in lab.guests],
            workers=GUESTS,
            lease_seconds=lease_seconds,
            jobs=80,
            batch=60,
            leave_seconds=_BACK_SECONDS,
            drain_seconds=_DRAIN_SECONDS,
            say=click.echo,
        )
        engine = Engine(trial)
        engine.workload.longest_seconds = _LONGEST_SECONDS
        return engine.run()


def table(tolls: list[Toll]) -> Iterator[str]:
    """What was done and found, by version and by fault."""
    yield ""
    for toll in tolls:
        found, longest = toll.audit, _longest(toll)
        yield f"{toll.name}: {found.jobs} jobs, {found.claims} attempts, {toll.workers} workers started, " + (
            f"{found.count(Breach.LOST)} lost, {found.count(Breach.TWICE)} accepted twice, "
            f"{found.count(Breach.DIFFERS)} results that differ, {len(toll.left_behind)} processes left"
        )
        for kind in (PowerOff, Freeze, CableCut, ServerCrash):
            times = sum(toll.faults.get(kind.name, {}).values())
            told = [f"{leases:.2f} {how}" for how, leases in longest.items() if kind.how and how.startswith(kind.how)]
            yield f"  {kind.name:<12} {times:>4}; longest take-over in leases: {', '.join(told) or 'none was timed'}"


def _longest(toll: Toll) -> dict[str, float]:
    """The longest take-over by how the session was silenced, whichever guest it was on."""
    longest: dict[str, float] = {}
    for path, leases in sorted(toll.longest().items()):
        how = path.partition(" (")[0]
        longest[how] = max(longest.get(how, 0.0), leases)
    return longest


def _known(_context: click.Context, _option: click.Parameter, versions: str) -> str:
    if unknown := set(versions.split(",")) - VERSIONS:
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: give some of {', '.join(sorted(VERSIONS))}")
    return versions


@click.command()
@click.option("--versions", default="3,4.2", show_default=True, callback=_known, help="Of NFS, separated by commas.")
@click.option("--minutes", type=click.FloatRange(min=0.1), default=8.0, show_default=True, help="Of faults, for each.")
@click.option("--seed", type=int, help="Of all that is random.  [default: a new one]")
@click.option("--lease", type=click.FloatRange(min=2.0), default=15.0, show_default=True, help="Seconds.")
@click.option("--options", default="", metavar="OPTIONS", help="More for mount, such as soft,timeo=20,retrans=1.")
@click.option("--folder", type=click.Path(path_type=Path), help="For consoles and disks, kept.  [default: a new one]")
def main(versions: str, seed: int | None, folder: Path | None, **given: Any) -> None:
    """Attack workers on four hosts that share a folder by NFS; exit code 1 where a promise was not kept."""
    if lacks := missing():
        for what in lacks:
            click.echo(f"missing: {what}")
        click.echo("soak-nfs did nothing: install what is missing and run it again", err=True)
        sys.exit(_UNFIT)
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    folder = folder or Path(tempfile.mkdtemp(prefix="orch-soak-nfs-"))
    folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"seed {seed}; consoles in {folder}")
    tolls = []
    for version in versions.split(","):
        mount = Mount(version, given["options"])
        if lack := mount.missing():
            click.echo(f"skipped NFS {version}: missing {lack}")
            continue
        tolls.append(soak(mount, 60 * given["minutes"], seed, folder / f"nfs-{version}", given["lease"]))
        for line in render(tolls[-1]):
            click.echo(line)
    for line in table(tolls):
        click.echo(line)
    sys.exit(0 if tolls and all(toll.is_clean for toll in tolls) else 1)


if __name__ == "__main__":
    main()
