"""The report on disk: rendered in memory first, then every file put in place whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import orchestrator
from jobs import layout
from jobs.errors import HostUnfitError, InputError
from jobs.plan import experiments
from orchestrator.putting import put_whole
from orchestrator.report.csvfiles import runs_csv, summary_csv
from orchestrator.report.figures import draw_bars
from orchestrator.report.gallery import gallery_of
from orchestrator.report.latex import latex
from orchestrator.report.loading import choose_experiment, read_results
from orchestrator.report.markdown import markdown
from orchestrator.report.multiples import PREFIX, draw_multiples
from orchestrator.report.notes import notes_of
from orchestrator.report.page import Document, render_page
from orchestrator.report.records import Results
from orchestrator.report.summary import summarise
from orchestrator.report.tables import caption, tables_of

PAGE: Final = "index.html"
SUMMARY_CSV: Final = "summary.csv"
RUNS_CSV: Final = "runs.csv"
SUMMARY_MD: Final = "summary.md"
SUMMARY_TEX: Final = "summary.tex"
_FIGURE_FORMATS: Final = ("png", "pdf")
_FIGURE_SUFFIXES: Final = (".png", ".pdf", ".csv")
_PREFIXES: Final = ("bars_", PREFIX)


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where a report lies: its folder, the page to open, the tables, and the figures.

    Each figure is there as PNG and as PDF; one of several runs has a CSV of what was drawn, the bars have summary.csv.
    """

    folder: Path
    page: Path
    summary_csv: Path
    runs_csv: Path
    summary_md: Path
    summary_tex: Path
    figures: tuple[Path, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file, the page first."""
        return self.page, self.summary_csv, self.runs_csv, self.summary_md, self.summary_tex, *self.figures


def write_report(root: Path, experiment: str) -> ReportFiles:
    """Write `root/<experiment>/report/`: the tables as CSV, Markdown and LaTeX, figures, and one HTML page.

    Raises:
        InputError: there is no such experiment, or none of its jobs is done; nothing is written then.
        HostUnfitError: the folder cannot be written.
    """
    name = choose_experiment(experiments(root), experiment, root)
    results = read_results(root, name)
    if not results.runs:
        raise InputError(
            f"nothing to report: none of the {len(results.cells)} jobs of {name} is done",
            "`orch status` shows how far they are",
        )
    files = render_report(results, datetime.now().astimezone())
    return put_report(root / name / layout.REPORT, files)


def render_report(results: Results, now: datetime) -> dict[str, bytes]:
    """The files of a report by name: at least one run is done."""
    summary = summarise(results)
    tables = tables_of(summary)
    notes = notes_of(results, summary)
    drawn = draw_bars(summary)
    written = f"Report of {now:%Y-%m-%d %H:%M %Z}, orch {orchestrator.__version__}"
    multiples = draw_multiples(summary)
    document = Document(results, summary, tables, drawn, gallery_of(summary), notes, written, multiples)
    shared = caption(summary.fixed)
    figures = {f"{figure.chart.name}.{kind}": figure.data[kind] for figure in drawn for kind in _FIGURE_FORMATS}
    return {
        SUMMARY_CSV: _encode(summary_csv(summary)),
        RUNS_CSV: _encode(runs_csv(results.runs)),
        SUMMARY_MD: _encode(markdown(results.experiment, shared, tables, notes)),
        SUMMARY_TEX: _encode(latex(results.experiment, shared, tables)),
        **figures,
        **{f"{one.name}.{kind}": data for one in multiples for kind, data in one.data.items()},
        # Last, so that who sees a new page finds the files it names.
        PAGE: _encode(render_page(document)),
    }


def _encode(text: str) -> bytes:
    # A name may hold half of a surrogate pair, which JSON allows and UTF-8 does not.
    return text.encode("utf-8", "replace")


def put_report(folder: Path, files: Mapping[str, bytes]) -> ReportFiles:
    """Write `files` into `folder`, each whole or not at all, and remove the charts of an earlier report.

    Raises:
        HostUnfitError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            put_whole(folder / name, data)
        for old in [path for prefix in _PREFIXES for path in folder.glob(f"{prefix}*")]:
            if old.suffix in _FIGURE_SUFFIXES and old.name not in files:
                old.unlink(missing_ok=True)
    except OSError as error:
        raise HostUnfitError(f"{folder}: cannot write the report ({error.strerror})") from error
    return ReportFiles(
        folder=folder,
        page=folder / PAGE,
        summary_csv=folder / SUMMARY_CSV,
        runs_csv=folder / RUNS_CSV,
        summary_md=folder / SUMMARY_MD,
        summary_tex=folder / SUMMARY_TEX,
        figures=tuple(folder / name for name in files if name.startswith(_PREFIXES)),
    )
