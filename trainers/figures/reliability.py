"""Reliability diagrams of the test split, before and after temperature scaling, of one run or of many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from trainers.calibration.bins import ReliabilityTable, reliability_table
from trainers.calibration.gaps import equal_mass_gap, equal_width_gap
from trainers.calibration.inputs import Floats
from trainers.calibration.softmax import log_softmax, nll_of_log_probs
from trainers.figures.panels import Drawn, Row, Scored, each, figure_width, sheet, short
from trainers.figures.style import (
    BLUE,
    GREEN,
    GREY,
    LEAST_POINTS,
    SKY,
    VERMILION,
    add_title,
    house_style,
    new_figure,
)
from trainers.metrics.evaluate import N_BINS

_BOX: Final = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": GREY, "linewidth": 0.6, "alpha": 0.9}
# How far the text in the corner reaches, as shares of the axes, with its box.
SUMMARY_WIDTH: Final = 0.39
SUMMARY_HEIGHT: Final = 0.4


@dataclass(frozen=True, slots=True)
class _Panel:
    """The test split at one temperature: its bins, its two means, and the text in the corner."""

    title: str
    table: ReliabilityTable
    accuracy: float
    confidence: float
    ece: float
    summary: str


def reliability_figure(logits: Any, targets: Any, temperature: float | None, title: str) -> Figure:
    """Draw the diagram of one run: one panel without a temperature, with one two that share their axes.

    A bar is a bin's accuracy, at the bin's own width; the hatched part lies between that and the bin's mean confidence.
    A bin without a sample is blank. Below, how the confidences are spread.

    Args:
        logits: (N, C) of the test split.
        targets: (N,).
        temperature: fitted on the validation split.
        title: stands above the panels.

    Raises:
        ValueError: bad shapes, no sample, NaN or infinity, a target that is no class index.
    """
    return draw_reliability([Scored("", logits, targets, temperature)], title).figure


def draw_reliability(runs: Sequence[Scored], title: str = "") -> Drawn:
    """The diagram of one run, or of several in one panel each, where a line stands for the run after scaling.

    Args:
        runs: at least one.
        title: stands above the panels.

    Raises:
        ValueError: as `reliability_figure`.
    """
    panels = [_panels(run) for run in runs]
    with house_style():
        figure = _single(panels[0], title) if len(runs) == 1 else _multiples(runs, panels, title)
    return Drawn(figure, each(_rows(run, of_run) for run, of_run in zip(runs, panels, strict=True)))


def _panels(run: Scored) -> list[_Panel]:
    if run.temperature is None:
        return [_panel(run, "as trained")]
    after = f"after temperature scaling, T = {run.temperature:.3f}"
    return [_panel(run, "before temperature scaling"), _panel(run, after, run.temperature)]


def _panel(run: Scored, title: str, temperature: float | None = None) -> _Panel:
    logits, targets = run.checked
    confidence, correct = run.top(scaled=temperature is not None)
    table = reliability_table(confidence, correct, N_BINS)
    ece = equal_width_gap(confidence, correct, N_BINS)
    percent = {
        "ECE": ece,
        "AdaECE": equal_mass_gap(confidence, correct, N_BINS),
        "MCE": np.nanmax(np.abs(table.confidence - table.accuracy)),
        "accuracy": correct.mean(),
    }
    lines = [f"{name:<8} {100 * value:6.2f} %" for name, value in percent.items()]
    nll = nll_of_log_probs(log_softmax(logits / (temperature or 1.0)), targets)
    lines += [f"{'NLL':<8} {nll:6.3f}  ", f"{'images':<8} {len(targets):6d}  "]
    lines += [f"{'T':<8} {temperature:6.3f}  "] if temperature is not None else []
    return _Panel(title, table, float(correct.mean()), float(confidence.mean()), ece, "\n".join(lines))


def _rows(run: Scored, panels: Sequence[_Panel]) -> Iterator[Row]:
    """One row a bin; an empty bin has neither confidence nor accuracy."""
    for panel, scaled in zip(panels, ("no", "yes"), strict=False):
        table = panel.table
        for number, count in enumerate(table.counts):
            yield {
                "run": run.name,
                "scaled": scaled,
                "temperature": run.temperature,
                "bin": number,
                "lower": float(table.edges[number]),
                "upper": float(table.edges[number + 1]),
                "n": int(count),
                "confidence": float(table.confidence[number]),
                "accuracy": float(table.accuracy[number]),
            }


def _single(panels: Sequence[_Panel], title: str) -> Figure:
    figure = new_figure(figure_width(len(panels)), 4.3)
    if title:
        add_title(figure, title)
    _draw_panels(figure, panels)
    return figure


def _multiples(runs: Sequence[Scored], panels: Sequence[Sequence[_Panel]], title: str) -> Figure:
    drawn = sheet(len(runs), title, (1.4, 0.35))
    for (one, below), run, of_run in zip(drawn.panels, runs, panels, strict=True):
        _draw_bars(one, of_run[0])
        one.set_title(short(run.name, drawn.inches), fontsize=LEAST_POINTS, parse_math=False)
        if len(of_run) > 1:
            _draw_line(one, of_run[1].table)
        ends = " \N{RIGHTWARDS ARROW} ".join(f"{100 * panel.ece:.1f}" for panel in of_run)
        text = f"ECE {ends} %" + (f"\nT = {run.temperature:.2f}" if run.temperature is not None else "")
        # Over the feet of the bars, where nothing is to be read.
        where: dict[str, Any] = {"transform": one.transAxes, "ha": "right", "va": "bottom", "linespacing": 1.0}
        one.text(0.975, 0.03, text, fontsize=LEAST_POINTS, bbox=_BOX, **where)
        _draw_histogram(below, of_run[0])
        below.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        one.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    drawn.label("confidence", "accuracy", "share")
    drawn.legend(3)
    return drawn.figure


def _draw_line(axes: Axes, table: ReliabilityTable) -> None:
    """Accuracy over mean confidence, each bin a dot."""
    filled = table.counts > 0
    axes.plot(
        table.confidence[filled],
        table.accuracy[filled],
        color=GREEN,
        marker="o",
        markersize=2.2,
        linewidth=1.0,
        clip_on=False,
        label="after temperature scaling",
    )


def _draw_panels(figure: Figure, panels: Sequence[_Panel]) -> None:
    grid = figure.subplots(2, len(panels), squeeze=False, sharex=True, sharey="row", height_ratios=[4, 1])
    for column, panel in enumerate(panels):
        _draw_bars(grid[0, column], panel)
        _draw_summary(grid[0, column], panel)
        _draw_histogram(grid[1, column], panel)
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("share of\nimages")
    for axes in grid[1]:
        axes.set_xlabel("confidence")
    upper, lower = grid[0, 0].get_legend_handles_labels(), grid[1, 0].get_legend_handles_labels()
    figure.legend(
        upper[0] + lower[0], upper[1] + lower[1], loc="outside lower center", ncols=5 if len(panels) > 1 else 2
    )


def _draw_bars(axes: Axes, panel: _Panel) -> None:
    table = panel.table
    filled = table.counts > 0
    left, right = table.edges[:-1][filled], table.edges[1:][filled]
    accuracy, confidence = table.accuracy[filled], table.confidence[filled]
    axes.plot([0, 1], [0, 1], linestyle="--", color=GREY, linewidth=1.0, label="perfect calibration")
    axes.bar(left, accuracy, right - left, align="edge", color=SKY, edgecolor="white", linewidth=0.8)
    axes.bar(
        left,
        np.abs(confidence - accuracy),
        right - left,
        bottom=np.minimum(confidence, accuracy),
        align="edge",
        facecolor=to_rgba(VERMILION, 0.2),
        edgecolor=VERMILION,
        hatch="///",
        linewidth=0.8,
        label="gap to mean confidence",
    )
    axes.hlines(accuracy, left, right, color=BLUE, linewidth=1.6, clip_on=False, label="accuracy in the bin")
    axes.set(xlim=(0, 1), ylim=(0, 1), title=panel.title)


def _draw_summary(axes: Axes, panel: _Panel) -> None:
    """The text, upper left, where only a far too modest bin can stand; then lower right, over the feet of the bars."""
    table = panel.table
    is_low = table.edges[:-1] < SUMMARY_WIDTH
    reach = np.fmax(table.accuracy, table.confidence)[is_low & (table.counts > 0)]
    x, y, across, along = 0.03, 0.97, "left", "top"
    if (reach > 1 - SUMMARY_HEIGHT).any():
        x, y, across, along = 0.97, 0.03, "right", "bottom"
    where: dict[str, Any] = {"transform": axes.transAxes, "ha": across, "va": along}
    text = axes.text(x, y, panel.summary, fontsize=LEAST_POINTS, bbox=_BOX, **where)
    text.set_fontfamily("monospace")


def _draw_histogram(axes: Axes, panel: _Panel) -> None:
    table = panel.table
    share: Floats = table.counts / table.counts.sum()
    axes.bar(table.edges[:-1], share, np.diff(table.edges), align="edge", color=SKY, edgecolor="white", linewidth=0.8)
    axes.axvline(panel.confidence, color=VERMILION, label="mean confidence")
    axes.axvline(panel.accuracy, color=BLUE, linestyle=(0, (3, 2)), label="accuracy of all")
