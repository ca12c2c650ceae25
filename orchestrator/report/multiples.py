"""Figures of a whole grid: its runs side by side, or one line each in one panel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.report.artefacts import as_history, read_bins, read_epochs, read_scored
from orchestrator.report.records import Run
from orchestrator.report.summary import Group, Summary
from orchestrator.report.tables import SELECTED_SHORT, flagged, phrase
from trainers.figures.confidences import draw_confidences
from trainers.figures.gammas import BinHistory, draw_gammas
from trainers.figures.lines import Method, draw_lines
from trainers.figures.panels import Drawn, Scored, pages
from trainers.figures.reliability import draw_reliability
from trainers.figures.risk import draw_risk

PREFIX: Final = "grid_"
MOST_RUNS: Final = 64  # that are drawn in a panel of their own
PAGE_RUNS: Final = 16
PAGE_CURVES: Final = 4  # panels with a curve for each method
PAGE_COLUMNS: Final = 4
PAGE_BINS: Final = 6
_MOST_BINS: Final = 24
_FACET_KEYS: Final = ("backbone", "head")


@dataclass(frozen=True, slots=True)
class Multiple:
    """A figure of several runs: its file name without suffix, what it shows, and its bytes as png, pdf and csv."""

    name: str
    title: str
    data: Mapping[str, bytes]


def draw_multiples(summary: Summary) -> list[Multiple]:
    """All that there is something to draw of; the first seed of each row of the table stands for it."""
    shown = [(group, run) for group in summary.groups for run in group.runs[:1] if run.folder is not None]
    scored = _scored(summary, shown[:MOST_RUNS])
    told = f"the first seed of each row{_of(len(scored), len(shown))}"
    if any(group.is_test_selected for group, _ in scored):
        told += f"; {SELECTED_SHORT}"
    figures: list[Multiple] = []
    if len(scored) > 1:
        runs = [run for _, run in scored]
        figures += _pages(
            "reliability",
            f"Reliability: {told}",
            [draw_reliability(runs[page]) for page in pages(len(runs), PAGE_RUNS)],
        )
        figures += _pages(
            "confidence",
            f"Confidence of right and of wrong answers, as trained: {told}",
            [draw_confidences(runs[page]) for page in pages(len(runs), PAGE_RUNS)],
        )
        figures += _pages("risk_coverage", f"Risk over coverage, as trained: {told}", _risks(summary, scored))
    figures += _pages("epochs", "Metrics over epochs: mean over seeds, one deviation shaded", _lines(summary))
    bins = [found for found in _bins(summary, shown) if found is not None][:_MOST_BINS]
    if bins:
        figures += _pages(
            "adafocal",
            "AdaFocal's gamma and gap by bin and epoch",
            [draw_gammas(bins[page], _only(bins[page])) for page in pages(len(bins), PAGE_BINS)],
        )
    return figures


def _named(columns: Sequence[str], group: Group) -> str:
    return flagged(phrase(columns, group.cell), is_flagged=group.is_test_selected)


def _pages(name: str, title: str, drawn: Sequence[Drawn]) -> Iterator[Multiple]:
    for number, one in enumerate(drawn, start=1):
        part = f"_{number}" if len(drawn) > 1 else ""
        said = f"{title} ({number} of {len(drawn)})" if len(drawn) > 1 else title
        yield Multiple(f"{PREFIX}{name}{part}", said, one.files())


def _only(bins: Sequence[BinHistory]) -> str:
    """The name of one that is alone: of several each has its own above it."""
    return bins[0].name if len(bins) == 1 else ""


def _of(shown: int, available: int) -> str:
    return f", {shown} of {available}" if shown < available else ""


def temperature_of(run: Run) -> float | None:
    """The temperature that was fitted for the reported epoch."""
    found = run.number("temperature")
    return found if found is not None and found > 0 else None


def _scored(summary: Summary, shown: Sequence[tuple[Group, Run]]) -> list[tuple[Group, Scored]]:
    found = (
        (group, read_scored(run.folder, _named(summary.columns, group), temperature_of(run)))
        for group, run in shown
        if run.folder is not None
    )
    return [(group, scored) for group, scored in found if scored is not None]


def split_facets(summary: Summary) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns that tell panels apart (setting and backbone), and those that tell lines of one panel apart."""
    setting = set(summary.setting_columns)
    facets = tuple(name for name in summary.columns if name in setting or name.partition(".")[0] in _FACET_KEYS)
    methods = tuple(name for name in summary.columns if name not in facets)
    if not methods:  # nothing but backbones: then those are compared
        facets = tuple(name for name in summary.columns if name in setting)
        methods = tuple(name for name in summary.columns if name not in setting)
    return facets, methods or facets


def _risks(summary: Summary, scored: Sequence[tuple[Group, Scored]]) -> list[Drawn]:
    facets, methods = split_facets(summary)
    panels: dict[str, list[Scored]] = {}
    for group, run in scored:
        named = Scored(_named(methods, group), run.logits, run.targets, run.temperature)
        panels.setdefault(phrase(facets, group.cell), []).append(named)
    return [draw_risk(dict(list(panels.items())[page])) for page in pages(len(panels), PAGE_CURVES)]


def _lines(summary: Summary) -> list[Drawn]:
    facets, methods = split_facets(summary)
    columns: dict[str, list[Method]] = {}
    for group in summary.groups:
        folders = [run.folder for run in group.runs if run.folder is not None]
        histories = [history for folder in folders if (history := as_history(read_epochs(folder)))]
        if any("epoch" in row for history in histories for row in history):
            columns.setdefault(phrase(facets, group.cell), []).append(Method(phrase(methods, group.cell), histories))
    return [draw_lines(dict(list(columns.items())[page])) for page in pages(len(columns), PAGE_COLUMNS)]


def _bins(summary: Summary, shown: Sequence[tuple[Group, Run]]) -> Iterator[BinHistory | None]:
    for group, run in shown:
        if run.folder is not None:
            yield read_bins(run.folder, phrase(summary.columns, group.cell))
