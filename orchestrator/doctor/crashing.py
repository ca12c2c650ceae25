"""`orch doctor --crash-test`: small jobs in a corner of the root while workers are killed, frozen and felled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from jobs.errors import HostUnfitError
from jobs.fitness import unfit
from orchestrator.doctor.corner import standing
from orchestrator.faults.crash import DEFAULT_JOBS, crash_test
from orchestrator.faults.toll import Toll
from orchestrator.faults.toll import render as render_toll


def run(root: Path, jobs: int | None, seed: int | None, say: Callable[[str], None]) -> Toll:
    """Run the crash test; a root that was not there before is not there afterwards.

    Args:
        root: the shared folder.
        jobs: how many; None: as many as usual.
        seed: of the faults; None: a new one, which the toll names.
        say: hears of progress, a line at a time.

    Raises:
        HostUnfitError: the folder cannot be written.
    """
    root = root.absolute()
    try:
        with standing(root / ".orch"):
            return crash_test(root, DEFAULT_JOBS if jobs is None else jobs, seed, say)
    except OSError as error:
        raise unfit(error) from error


def render(toll: Toll) -> Iterator[str]:
    """What was injected and what came of it, for a person."""
    yield from render_toll(toll)
    if toll.is_clean:
        yield "crash test: every promise was kept"


def raise_if_broken(root: Path, toll: Toll) -> None:
    """The first promise that was not kept, as the error of the command.

    Raises:
        HostUnfitError: there is one.
    """
    broken = list(toll.violations())
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        remedy = f"do not work on this root yet; run it again with --seed {toll.seed} and see what is kept under .orch"
        raise HostUnfitError(f"{root}: the crash test found {broken[0].partition(':')[0]}{more}", remedy)
