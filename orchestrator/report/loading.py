"""Reading the done jobs of an experiment from a root: as records for the report, as a DataFrame for a notebook."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobs.errors import InputError
from jobs.plan import experiments
from jobs.snapshot import JobState, accepted, planned, snapshot
from orchestrator.report.csvfiles import LEAST_COLUMNS, run_rows
from orchestrator.report.measures import is_metric
from orchestrator.report.records import Results, as_number, gather

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_ROOT: Final = "runs"
MAX_REASON: Final = 200


def load(experiment: str | None = None, root: str | Path | None = None) -> pd.DataFrame:
    """The done jobs of an experiment as a tidy DataFrame: one row per job, in the order of the plan.

    Columns: job, attempt; the values of the cell under their dotted keys; the metrics of the result (fractions, not
    percent; NaN where they do not apply) or, for `command` and `call` jobs, the scalars of their result; device,
    seconds, epoch, select, note. A result that has the name of another column is `result.<name>`.

    Args:
        experiment: its name; may be left out where the root holds only one.
        root: the shared folder; ORCH_ROOT, or else `runs`, unless given.

    Raises:
        InputError: there is no such experiment, or several to choose from.
    """
    import pandas as pd

    folder = root_of(root)
    rows = run_rows(read_results(folder, choose_experiment(experiments(folder), experiment, folder)).runs)
    frame = pd.DataFrame([{key: as_number(row[key]) if is_metric(key) else row[key] for key in row} for row in rows])
    if frame.empty:
        return pd.DataFrame(columns=list(LEAST_COLUMNS))
    return frame.astype({key: float for key in frame.columns if is_metric(key)})


def root_of(root: str | Path | None) -> Path:
    """The root that was given, or that of the environment, or `runs`."""
    return Path(root or os.environ.get("ORCH_ROOT") or DEFAULT_ROOT)


def choose_experiment(names: Sequence[str], wanted: str | None, root: Path) -> str:
    """The experiment that is meant: `wanted` if it exists, else the only one.

    Raises:
        InputError: no such experiment, none at all, or several and none named.
    """
    if not names:
        raise InputError(f"{root}: no experiment here", "plan one with `orch plan GRID`, or name another --root")
    if wanted is None:
        if len(names) > 1:
            raise InputError(f"{root} holds several experiments", f"name one of {', '.join(names)}")
        return names[0]
    if wanted not in names:
        near = difflib.get_close_matches(wanted, names, n=1)
        offer = near[0] if near else f"one of {', '.join(names)}"
        raise InputError(f"{root}: no experiment {wanted!r}", f"use {offer}")
    return wanted


def read_results(root: Path, experiment: str) -> Results:
    """Everything under `root` that a report of `experiment` is made of."""
    (state,) = snapshot(root, experiment).experiments
    states = {job.job: describe(job) for job in state.jobs}
    return gather(experiment, accepted(root, experiment), list(planned(root, experiment)), states)


def describe(job: JobState) -> str:
    """A job's state in a few words, with the reason where there is one."""
    reason = " ".join(job.reason.split())
    if len(reason) > MAX_REASON:
        reason = reason[:MAX_REASON] + "\N{HORIZONTAL ELLIPSIS}"
    return f"{job.state.value}: {reason}" if reason else job.state.value
