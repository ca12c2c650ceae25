"""The reliability diagram of the test split, before and after temperature scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from trainers.calibration.bins import ReliabilityTable, reliability_table, top_label
from trainers.calibration.gaps import equal_mass_gap, equal_width_gap
from trainers.calibration.inputs import Floats, Integers, checked_logits
from trainers.calibration.softmax import log_softmax, nll_of_log_probs
from trainers.figures.style import BLUE, GREY, SKY, VERMILION, add_title, house_style, new_figure
from trainers.metrics.evaluate import N_BINS

# How far the text in the corner reaches, as shares of the axes, with its box.
SUMMARY_WIDTH: Final = 0.33
SUMMARY_HEIGHT: Final = 0.34


@dataclass(frozen=True, slots=True)
class _Panel:
    """The test split at one temperature: its bins, its two means, and the text in the corner."""

    title: str
    table: ReliabilityTable
    accuracy: float
    confidence: float
    summary: str


def reliability_figure(logits: Any, targets: Any, temperature: float | None, title: str) -> Figure:
    """Draw the diagram: one panel without a temperature, with one two that share their axes.

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
    scores, labels = checked_logits(logits, targets)
    panels = [_panel("as trained" if temperature is None else "before temperature scaling", scores, labels)]
    if temperature is not None:
        panels.append(_panel(f"after temperature scaling, T = {temperature:.3f}", scores / temperature, labels))
    with house_style():
        figure = new_figure(0.8 + 4.4 * len(panels), 5.9)
        add_title(figure, title)
        _draw_panels(figure, panels)
    return figure


def _panel(title: str, logits: Floats, targets: Integers) -> _Panel:
    log_probs = log_softmax(logits)
    confidence, correct = top_label(np.exp(log_probs), targets)
    table = reliability_table(confidence, correct, N_BINS)
    percent = {
        "ECE": equal_width_gap(confidence, correct, N_BINS),
        "AdaECE": equal_mass_gap(confidence, correct, N_BINS),
        "MCE": np.nanmax(np.abs(table.confidence - table.accuracy)),
        "accuracy": correct.mean(),
    }
    lines = [f"{name:<8} {100 * value:6.2f} %" for name, value in percent.items()]
    lines += [f"{'NLL':<8} {nll_of_log_probs(log_probs, targets):6.3f}  ", f"{'images':<8} {len(targets):6d}  "]
    return _Panel(title, table, float(correct.mean()), float(confidence.mean()), "\n".join(lines))


def _draw_panels(figure: Figure, panels: list[_Panel]) -> None:
    grid = figure.subplots(2, len(panels), squeeze=False, sharex=True, sharey="row", height_ratios=[4, 1])
    for column, panel in enumerate(panels):
        _draw_bars(grid[0, column], panel)
        _draw_summary(grid[0, column], panel)
        _draw_histogram(grid[1, column], panel)
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("share of\nimages")
    upper, lower = grid[0, 0].get_legend_handles_labels(), grid[1, 0].get_legend_handles_labels()
    figure.legend(upper[0] + lower[0], upper[1] + lower[1], loc="outside lower center", ncols=1 + len(panels))


def _draw_bars(axes: Axes, panel: _Panel) -> None:
    table = panel.table
    filled = table.counts > 0
    left, right = table.edges[:-1][filled], table.edges[1:][filled]
    accuracy, confidence = table.accuracy[filled], table.confidence[filled]
    axes.plot([0, 1], [0, 1], linestyle="--", color=GREY, linewidth=1.3, label="perfect calibration")
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
    axes.hlines(accuracy, left, right, color=BLUE, linewidth=2.4, clip_on=False, label="accuracy in the bin")
    axes.set(xlim=(0, 1), ylim=(0, 1), title=panel.title)


def _draw_summary(axes: Axes, panel: _Panel) -> None:
    """The text, upper left, where only a far too modest bin can stand; then lower right, over the feet of the bars."""
    table = panel.table
    is_low = table.edges[:-1] < SUMMARY_WIDTH
    reach = np.fmax(table.accuracy, table.confidence)[is_low & (table.counts > 0)]
    x, y, across, along = 0.03, 0.97, "left", "top"
    if (reach > 1 - SUMMARY_HEIGHT).any():
        x, y, across, along = 0.97, 0.03, "right", "bottom"
    box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": GREY, "linewidth": 0.8, "alpha": 0.92}
    text = axes.text(x, y, panel.summary, transform=axes.transAxes, ha=across, va=along, fontsize="small", bbox=box)
    text.set_fontfamily("monospace")


def _draw_histogram(axes: Axes, panel: _Panel) -> None:
    table = panel.table
    share = table.counts / table.counts.sum()
    axes.bar(table.edges[:-1], share, np.diff(table.edges), align="edge", color=SKY, edgecolor="white", linewidth=0.8)
    axes.axvline(panel.confidence, color=VERMILION, label="mean confidence")
    axes.axvline(panel.accuracy, color=BLUE, linestyle=(0, (3, 2)), label="accuracy of all")
    axes.set_xlabel("confidence")
