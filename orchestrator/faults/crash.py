"""`orch doctor --crash-test`: the engine on small jobs, in a corner of the user's own folder."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from jobs.fitness import unfit
from orchestrator.faults.engine import Engine, Trial
from orchestrator.faults.ground import HereGround
from orchestrator.faults.plugins import Fault, Kill, Pause, Raise
from orchestrator.faults.toll import Toll

DEFAULT_JOBS: Final = 200
_LEASE_SECONDS: Final = 2.0
_LONGEST_SECONDS: Final = 60.0
_WORKERS: Final = 3


def crash_test(
    root: Path, jobs: int = DEFAULT_JOBS, seed: int | None = None, say: Callable[[str], None] = print
) -> Toll:
    """Work off `jobs` small jobs beside a user's experiments while workers are killed, frozen and made to fall.

    It lies in `<root>/.orch/crash-test-<token>/`, a root of its own, which is removed where all went well, and kept
    and named where not. About a minute for 200 jobs; Ctrl-C ends it, and every process of it.

    Args:
        root: the user's shared folder.
        jobs: how many.
        seed: of all that is random but the processes themselves; None: a new one, which the toll names.
        say: hears of progress, a line at a time.

    Raises:
        HostUnfitError: the folder cannot be written.
    """
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    corner = root.absolute() / ".orch" / f"crash-test-{os.urandom(4).hex()}"
    try:
        corner.mkdir(parents=True)
    except OSError as error:
        raise unfit(error) from error
    is_over = False
    try:
        with tempfile.TemporaryDirectory(prefix="orch-crash-test-", ignore_cleanup_errors=True) as folder:
            toll = Engine(_trial(Path(folder), corner, jobs, seed, say)).run()
        is_over = True
    finally:
        # What a broken-off test leaves tells nothing.
        if not is_over or toll.is_clean:
            shutil.rmtree(corner, ignore_errors=True)
    if not toll.is_clean:
        say(f"what went wrong is kept in {corner}")
    return toll


def _trial(folder: Path, corner: Path, jobs: int, seed: int, say: Callable[[str], None]) -> Trial:
    return Trial(
        name="crash test",
        folder=folder,
        ground=HereGround(corner),
        faults=[_fault(kind, every, seed) for kind, every in ((Kill, 1.5), (Pause, 3.0), (Raise, 3.0))],
        seed=seed,
        seconds=_LONGEST_SECONDS,
        workers=_WORKERS,
        lease_seconds=_LEASE_SECONDS,
        jobs=jobs,
        batch=0,
        say=say,
    )


def _fault(kind: type[Fault], every: float, seed: int) -> Fault:
    return kind(every, random.Random(f"{seed} {kind.name}"))  # noqa: S311
