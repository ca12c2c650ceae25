"""Metrics over epochs, one line a method: solid as trained, dashed after temperature scaling."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from trainers.calibration.inputs import Floats
from trainers.figures.curves import SHOW_POINTS_BELOW, column_of, is_stepwise
from trainers.figures.panels import Drawn, Row, columns_for, each, figure_width, short
from trainers.figures.style import GREY, LEAST_POINTS, add_title, house_style, line_look, new_figure

History = Sequence[Mapping[str, Any]]
SINGLE_COLUMNS: Final = 3


@dataclass(frozen=True, slots=True)
class _Metric:
    column: str
    label: str
    scaled: str = ""
    is_log: bool = False
    per_cent: bool = False


METRICS: Final = (
    _Metric("test_acc", "accuracy (%)", per_cent=True),
    _Metric("test_ece", "ECE (%)", "test_ece_ts", per_cent=True),
    _Metric("test_adaece", "adaptive ECE (%)", "test_adaece_ts", per_cent=True),
    _Metric("test_classwise_ece", "classwise ECE (%)", "test_classwise_ece_ts", per_cent=True),
    _Metric("test_nll", "NLL (nats)", "test_nll_ts", is_log=True),
    _Metric("temperature", "temperature"),
)


@dataclass(frozen=True, slots=True)
class Method:
    """The runs of one method: their histories, one row an epoch keyed by column names, one run a seed."""

    name: str
    histories: Sequence[History]


@dataclass(frozen=True, slots=True)
class _Line:
    """Mean and standard deviation over seeds, at the epochs that have a value."""

    epochs: Floats
    mean: Floats
    std: Floats


def draw_lines(columns: Mapping[str, Sequence[Method]], title: str = "") -> Drawn:
    """A panel for each metric that anything was measured of; dotted lines stand where the learning rate drops.

    Args:
        columns: title -> the methods that are compared in it. One has its panels in rows of three; several have one
            column each and share the scales of a row.
        title: stands above the panels.
    """
    lines = {
        name: {(method.name, metric.column): _lines_of(method, metric) for method in methods for metric in METRICS}
        for name, methods in columns.items()
    }
    measured = {
        column for of in lines.values() for (_, column), both in of.items() if any(len(one.epochs) for one in both)
    }
    shown = [metric for metric in METRICS if metric.column in measured] or [METRICS[0]]
    with house_style():
        figure, grid = _sheet(len(columns), len(shown), title)
        for place, (name, methods) in enumerate(columns.items()):
            for number, metric in enumerate(shown):
                axes = grid[place][number]
                _draw(axes, [lines[name][method.name, metric.column] for method in methods])
                for drop in lr_drops([history for method in methods for history in method.histories]):
                    axes.axvline(drop, color=GREY, linestyle=":", linewidth=0.8)
                if len(columns) == 1:
                    axes.set_title(metric.label)
                elif place == 0:
                    axes.set_ylabel(metric.label)
                if len(columns) > 1 and number == 0:
                    axes.set_title(short(name, 6.0 / len(columns)), parse_math=False)
        for number, metric in enumerate(shown):
            of_metric = [
                one for of in lines.values() for (_, key), both in of.items() if key == metric.column for one in both
            ]
            for of_column in grid:
                _scale(of_column[number], metric, of_metric)
        _legend(figure, columns, lines)
    return Drawn(figure, each(_rows(name, of) for name, of in lines.items()))


def lr_drops(histories: Sequence[History]) -> list[float]:
    """Between which epochs the learning rate of all of these falls in a step (8.5: after epoch 8).

    Empty where any of them has another schedule, or falls elsewhere.
    """
    found = [tuple(_drops(history)) for history in histories]
    return list(found[0]) if found and len(set(found)) == 1 else []


def _drops(history: History) -> Iterator[float]:
    epochs, rates = column_of(history, "epoch"), column_of(history, "lr")
    if not is_stepwise(rates):
        return
    for epoch, before, after in zip(epochs, rates, rates[1:], strict=False):
        if after < 0.75 * before:
            yield float(epoch) + 0.5


def _lines_of(method: Method, metric: _Metric) -> tuple[_Line, _Line]:
    """As trained, and scaled; a line of nothing where there is none."""
    scale = 100.0 if metric.per_cent else 1.0
    return _line(method, metric.column, scale), _line(method, metric.scaled, scale)


def _line(method: Method, column: str, scale: float) -> _Line:
    found: dict[float, list[float]] = {}
    for history in method.histories if column else ():
        for epoch, value in zip(column_of(history, "epoch"), column_of(history, column), strict=True):
            if np.isfinite(epoch) and np.isfinite(value):
                found.setdefault(float(epoch), []).append(scale * float(value))
    epochs = sorted(found)
    mean = [float(np.mean(found[epoch])) for epoch in epochs]
    std = [float(np.std(found[epoch], ddof=1)) if len(found[epoch]) > 1 else 0.0 for epoch in epochs]
    return _Line(np.array(epochs), np.array(mean), np.array(std))


def _sheet(columns: int, metrics: int, title: str) -> tuple[Figure, list[list[Axes]]]:
    """Axes by column and metric."""
    if columns == 1:
        across = columns_for(metrics, SINGLE_COLUMNS)
        down = -(-metrics // across)
        figure = new_figure(figure_width(across), 1.75 * down + 0.7)
        grid = [list(figure.subplots(down, across, squeeze=False, sharex=True).flat)]
        for index, axes in enumerate(grid[0]):
            is_below = index + across >= metrics
            axes.xaxis.set_tick_params(labelbottom=is_below)
            axes.set_xlabel("epoch" if is_below else "")
        for unused in grid[0][metrics:]:
            unused.set_axis_off()
    else:
        figure = new_figure(figure_width(columns), 1.3 * metrics + 0.7)
        of_rows = figure.subplots(metrics, columns, squeeze=False, sharex=True, sharey="row")
        grid = [list(of_rows[:, column]) for column in range(columns)]
        for of_column in grid:
            of_column[-1].set_xlabel("epoch")
    for axes in (axes for of_column in grid for axes in of_column):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=5))
    if title:
        add_title(figure, title)
    return figure, grid


def _draw(axes: Axes, methods: Sequence[tuple[_Line, _Line]]) -> None:
    for number, (raw, scaled) in enumerate(methods):
        look = line_look(number)
        every = max(1, len(raw.epochs) // 6)
        marks: dict[str, Any] = {"markersize": 2.8, "markevery": every}
        if len(raw.epochs) < SHOW_POINTS_BELOW:
            marks["markevery"] = 1
        axes.plot(raw.epochs, raw.mean, **look, **marks)
        hollow: dict[str, Any] = {"markerfacecolor": "white", "markeredgewidth": 0.8, "linestyle": "--"}
        if len(scaled.epochs):
            axes.plot(scaled.epochs, scaled.mean, **look, **marks, **hollow)
        if (raw.std > 0).any():
            low, high = raw.mean - raw.std, raw.mean + raw.std
            axes.fill_between(raw.epochs, low, high, color=look["color"], alpha=0.15, linewidth=0)


def _scale(axes: Axes, metric: _Metric, lines: Iterable[_Line]) -> None:
    """A logarithm where that may be, and else zero where it means something; once all that shares the axis is drawn."""
    if metric.is_log and all((line.mean > 0).all() for line in lines):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_locator(NullLocator())
    elif metric.scaled:
        axes.set_ylim(bottom=0)


def _legend(figure: Figure, columns: Mapping[str, Sequence[Method]], lines: Mapping[str, Mapping[Any, Any]]) -> None:
    """Every method once; then what dashes and dots mean, where there are any."""
    names = dict.fromkeys(method.name for methods in columns.values() for method in methods)
    handles = [Line2D([], [], **line_look(number), markersize=3) for number in range(len(names))]
    labels = [short(name, 2.2, 1) for name in names]
    if any(len(scaled.epochs) for of in lines.values() for _, scaled in of.values()):
        handles.append(Line2D([], [], color=GREY, linestyle="--"))
        labels.append("temperature scaled")
    histories = [history for methods in columns.values() for method in methods for history in method.histories]
    if lr_drops(histories):
        handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=0.8))
        labels.append("learning rate drops")
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no reason to fill the terminal.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        widest = max(map(len, labels))
        legend = figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=max(1, min(len(labels), int(16.5 * figure.get_figwidth() / (widest + 6)))),
            fontsize=LEAST_POINTS,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)


def _rows(panel: str, lines: Mapping[tuple[str, str], tuple[_Line, _Line]]) -> Iterator[Row]:
    metrics = {metric.column: metric for metric in METRICS}
    for (method, column), (raw, scaled) in lines.items():
        metric = metrics[column]
        scale = 100.0 if metric.per_cent else 1.0
        for name, line in ((column, raw), (metric.scaled, scaled)):
            for epoch, mean, std in zip(line.epochs, line.mean, line.std, strict=True):
                yield {
                    "panel": panel,
                    "method": method,
                    "metric": name,
                    "epoch": int(epoch),
                    "mean": mean / scale,
                    "std": std / scale,
                }
