"""The results of an experiment for people: a DataFrame, tables, figures and one HTML page.

Importing this package is cheap: pandas, matplotlib and jinja2 are imported by the first call that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.report.write import ReportFiles

__all__ = ["load", "write_report"]


def load(experiment: str | None = None, root: str | Path | None = None) -> pd.DataFrame:
    """The done jobs of an experiment, one row each; see `orchestrator.report.loading.load`."""
    from orchestrator.report.loading import load as load_frame

    return load_frame(experiment, root)


def write_report(root: Path, experiment: str) -> ReportFiles:
    """Write `root/<experiment>/report/`; see `orchestrator.report.write.write_report`."""
    from orchestrator.report.write import write_report as write

    return write(root, experiment)
