"""Grouped bars with error bars over seeds, as bytes of PNG, PDF and SVG.

Only this module imports matplotlib, and it never touches pyplot: no window, no global state.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.report.measures import Measure
from orchestrator.report.summary import Group, Stat, Summary
from orchestrator.report.tables import SELECTED_SHORT, flagged, phrase

MAX_GROUPS: Final = 60
MAX_OTHER: Final = 4
LABEL_WIDTH: Final = 34
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
FORMATS: Final = ("png", "pdf", "svg")

# After Okabe and Ito: told apart by readers who see few colours, and in grey.
_ACCURACY: Final[Mapping[str, tuple[str, str]]] = {
    "test_acc": ("All classes", "#3b3b3b"),
    "test_acc_many": ("Many", "#0072b2"),
    "test_acc_medium": ("Medium", "#56b4e9"),
    "test_acc_few": ("Few", "#e69f00"),
}
_ECE: Final[Mapping[str, tuple[str, str]]] = {
    "test_ece": ("Before temperature scaling", "#d55e00"),
    "test_ece_ts": ("After temperature scaling", "#009e73"),
}
_RC: Final[dict[str, Any]] = {
    "text.parse_math": False,  # a `$` in a name is a dollar
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,  # venues refuse Type 3
    "svg.hashsalt": "report",
}
_METADATA: Final[Mapping[str, dict[str, Any]]] = {
    "png": {},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}


@dataclass(frozen=True, slots=True)
class Series:
    """The bars of one colour: a measure key, its name in the legend, its colour."""

    key: str
    label: str
    colour: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure to draw: file name without suffix, title, label of the value axis; a fraction is drawn in percent."""

    name: str
    title: str
    axis: str
    is_fraction: bool
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure: its chart and its bytes by format."""

    chart: Chart
    data: Mapping[str, bytes]


def draw_bars(summary: Summary) -> list[Drawn]:
    """The bar charts that the summary has numbers for: accuracy and ECE, or a job's own numbers, four at most."""
    return [Drawn(chart, _render(summary, chart)) for chart in charts_of(summary)]


def charts_of(summary: Summary) -> list[Chart]:
    """Which charts there are to draw."""
    present = {measure.key: measure for measure in summary.measures}
    charts = []
    for name, title, known in (
        ("bars_accuracy", "Accuracy", _ACCURACY),
        ("bars_ece", "Expected calibration error", _ECE),
    ):
        series = tuple(Series(key, *known[key]) for key in known if key in present)
        if series:
            charts.append(Chart(name, title, f"{title} on the test split (%)", True, series))
    if charts:
        return charts
    other = [measure for measure in summary.measures if _has_bars(summary, measure)]
    return [_other_chart(number, measure) for number, measure in enumerate(other[:MAX_OTHER], start=1)]


def _other_chart(number: int, measure: Measure) -> Chart:
    series = (Series(measure.key, measure.label, "#0072b2"),)
    return Chart(f"bars_{number}", measure.label, printable(measure.heading), measure.is_percent, series)


def _has_bars(summary: Summary, measure: Measure) -> bool:
    """Whether there is a bar to see: a measure that is zero everywhere, as a count of errors should be, has none."""
    stats = (group.stats.get(measure.key) for group in summary.groups)
    return any(stat is not None and _finite(stat) and stat.mean != 0 for stat in stats)


def _finite(stat: Stat | None) -> bool:
    return stat is not None and math.isfinite(stat.mean)


def _render(summary: Summary, chart: Chart) -> dict[str, bytes]:
    blocks = _first_groups(summary.blocks, MAX_GROUPS)
    drawn = sum(map(len, blocks))
    bar_inches = 0.17 * len(chart.series) + 0.16
    height = 0.75 + sum(bar_inches * len(block) + 0.45 for block in blocks) + 0.35
    with matplotlib.style.context(["default", _RC]), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no reason to fill the terminal.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        figure = Figure(figsize=(6.2, height), layout="constrained")
        grid = figure.subplots(
            len(blocks), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": [len(block) for block in blocks]}
        )
        for axes, block in zip(grid[:, 0], blocks, strict=True):
            _draw_block(axes, block, summary, chart)
        label = chart.axis
        if drawn < len(summary.groups):
            label += f"\n(the first {drawn} of {len(summary.groups)} groups)"
        if any(group.is_test_selected for block in blocks for group in block):
            label += f"\n{SELECTED_SHORT}"
        grid[-1, 0].set_xlabel(label)
        if chart.is_fraction:
            grid[-1, 0].set_xlim(left=0.0)
        if len(chart.series) > 1:
            handles, names = grid[0, 0].get_legend_handles_labels()
            figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False)
        return {suffix: _bytes(figure, suffix) for suffix in FORMATS}


def _first_groups(blocks: Sequence[Sequence[Group]], limit: int) -> list[Sequence[Group]]:
    taken: list[Sequence[Group]] = []
    for block in blocks:
        part = block[: limit - sum(map(len, taken))]
        if part:
            taken.append(part)
    return taken


def _draw_block(axes: Axes, block: Sequence[Group], summary: Summary, chart: Chart) -> None:
    setting = set(summary.setting_columns)
    method = [column for column in summary.columns if column not in setting]
    thickness = 0.8 / len(chart.series)
    scale = 100.0 if chart.is_fraction else 1.0
    for offset, series in enumerate(chart.series):
        stats = [group.stats.get(series.key) for group in block]
        places = [index - 0.4 + (offset + 0.5) * thickness for index in range(len(block))]
        means = [stat.mean * scale if stat is not None and math.isfinite(stat.mean) else 0.0 for stat in stats]
        errors = [stat.std * scale if stat is not None and stat.std is not None else math.nan for stat in stats]
        axes.barh(places, means, thickness * 0.92, color=series.colour, label=series.label)
        axes.errorbar(means, places, xerr=errors, fmt="none", ecolor="black", elinewidth=0.9, capsize=1.8)
        for place, group, stat in zip(places, block, stats, strict=True):
            if group.runs and not _finite(stat):
                _say(axes, place, "none", "#555555")
    for index, group in enumerate(block):
        if not group.runs:
            _say(axes, index, "missing", "#9a3b00")
    axes.set_yticks(range(len(block)), [_tick(group, method or summary.columns) for group in block])
    axes.set_ylim(len(block) - 0.45, -0.55)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    if setting and method:
        title = phrase(summary.setting_columns, block[0].cell)
        axes.set_title(printable(title), loc="left", fontsize=9, fontweight="bold")


def _say(axes: Axes, place: float, word: str, colour: str) -> None:
    axes.annotate(word, (0, place), (3, 0), textcoords="offset points", va="center", fontsize=7, color=colour)


def _tick(group: Group, columns: Sequence[str]) -> str:
    text = textwrap.shorten(printable(phrase(columns, group.cell)), 2 * LABEL_WIDTH, placeholder=_ELLIPSIS)
    return flagged(textwrap.fill(text, LABEL_WIDTH), is_flagged=group.is_test_selected)


def printable(text: str) -> str:
    """Text that a font and an SVG file can hold: control characters and lone surrogates become blanks."""
    return "".join(character if character.isprintable() else " " for character in text)


def _bytes(figure: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=160, metadata=_METADATA[suffix])
    return buffer.getvalue()
