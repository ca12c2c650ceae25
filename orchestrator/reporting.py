"""`orch report`: the reports of one experiment, or of all that have results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jobs import layout
from jobs.errors import InputError
from jobs.plan import experiments
from jobs.snapshot import snapshot
from orchestrator.status import unreadable


def write_reports(root: Path, experiment: str | None) -> Iterator[str]:
    """Write reports; a line for each file a person may want to open.

    Raises:
        InputError: there is no such experiment, or none at all.
        HostUnfitError: the root cannot be read.
    """
    try:
        there = experiments(root)
    except OSError as error:
        raise unreadable(root, error) from error
    if not there:
        raise InputError(f"nothing is planned in {root}", "start with orch plan, then orch worker")
    if experiment is not None and experiment not in there:
        raise InputError(f"no experiment {experiment!r} in {root}", f"there are: {', '.join(there)}")
    from orchestrator.report import write_report

    names = [experiment] if experiment is not None else _with_results(root, there)
    for name in names:
        files = write_report(root, name)
        yield f"{name}:"
        yield from (f"  {path}" for path in files.paths if path.suffix == ".png" or path not in files.figures)
        yield f"open {files.page}" + _one_diagram(root, name)


def _with_results(root: Path, names: list[str]) -> list[str]:
    """The experiments that have a done job; all of them where none has, so that the error says so."""
    seen = {state.name: state.counts["done"] for state in snapshot(root).experiments}
    return [name for name in names if seen.get(name)] or names


def _one_diagram(root: Path, experiment: str) -> str:
    """A run's reliability diagram, for a first look."""
    jobs = sorted((root / experiment / layout.JOBS).glob(f"*/{layout.RESULT}/reliability.png"))
    return f" and, for one run, {jobs[0]}" if jobs else ""
