"""What every figure of several runs is made of: the runs, panels side by side, and the values that were drawn."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainers.calibration.bins import top_label
from trainers.calibration.inputs import Floats, Integers, checked_logits
from trainers.calibration.softmax import log_softmax
from trainers.figures.style import COLUMN_WIDTH, PAGE_WIDTH, add_title, new_figure, save_pdf, save_png

MOST_COLUMNS: Final = 4
Row = Mapping[str, float | int | str | None]


@dataclass(frozen=True)
class Scored:
    """The test split as one run sees it.

    Attributes:
        name: what tells the run from the others.
        logits: (N, C), finite.
        targets: (N,).
        temperature: fitted on the validation split; None: there is none.
    """

    name: str
    logits: Any
    targets: Any
    temperature: float | None = None

    @cached_property
    def checked(self) -> tuple[Floats, Integers]:
        """Logits and targets as float64 and int64.

        Raises:
            ValueError: bad shapes, no sample, NaN or infinity, a target that is no class index.
        """
        return checked_logits(self.logits, self.targets)

    def top(self, *, scaled: bool = False) -> tuple[Floats, Floats]:
        """Confidence (N,) of the predicted class and whether it is right (N,), 1.0 or 0.0.

        Raises:
            ValueError: as `checked`.
        """
        logits, targets = self.checked
        probs = np.exp(log_softmax(logits / self.temperature if scaled and self.temperature else logits))
        return top_label(probs, targets)


@dataclass(frozen=True)
class Drawn:
    """A figure and the values behind it, one row each."""

    figure: Figure
    rows: Sequence[Row] = field(default_factory=tuple)

    @property
    def csv(self) -> str:
        """The values as CSV; what does not apply is empty."""
        text = io.StringIO(newline="")
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows({name: _cell(value) for name, value in row.items()} for row in self.rows)
        return text.getvalue()

    def files(self) -> dict[str, bytes]:
        """The figure as `png` and `pdf`, its values as `csv`."""
        png, pdf = io.BytesIO(), io.BytesIO()
        save_png(self.figure, png)
        # The layout is found; to look for it again would take as long as all the drawing.
        self.figure.set_layout_engine("none")
        save_pdf(self.figure, pdf)
        return {"png": png.getvalue(), "pdf": pdf.getvalue(), "csv": self.csv.encode("utf-8", "replace")}


def _cell(value: float | int | str | None) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def columns_for(count: int, most: int = MOST_COLUMNS) -> int:
    """How many panels of `count` stand side by side: as few rows as there may be, and those as full as can be."""
    rows = -(-count // most)
    return max(1, -(-count // rows))


def figure_width(columns: int) -> float:
    """Inches: one column of a paper for one panel, the page for more."""
    return COLUMN_WIDTH if columns == 1 else PAGE_WIDTH


@dataclass(frozen=True)
class Sheet:
    """Panels side by side that share their axes.

    Attributes:
        figure: that holds them.
        panels: one each, with the strips below it: the uppermost first.
        columns: panels in a full row.
    """

    figure: Figure
    panels: Sequence[Sequence[Axes]]
    columns: int

    @property
    def inches(self) -> float:
        """About how wide a panel is."""
        return float(self.figure.get_figwidth()) / self.columns - 0.3

    def label(self, xlabel: str, *ylabels: str) -> None:
        """Name the axes once: on the left of every row, below the lowest panel of every column."""
        for index, panel in enumerate(self.panels):
            if index % self.columns == 0:
                for axes, name in zip(panel, ylabels, strict=True):
                    axes.set_ylabel(name)
            if index + self.columns >= len(self.panels):
                panel[-1].set_xlabel(xlabel)
                panel[-1].xaxis.set_tick_params(labelbottom=True)

    def legend(self, columns: int | None = None) -> None:
        """One legend for all panels, below them."""
        known: dict[str, Any] = {}
        for axes in (axes for panel in self.panels for axes in panel):
            known |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        if known:
            room = columns or (len(known) if self.columns > 1 else 2)
            self.figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=room)


def sheet(count: int, title: str, heights: Sequence[float], most: int = MOST_COLUMNS) -> Sheet:
    """An empty sheet.

    Args:
        count: of panels, at least one.
        title: stands above all; empty: none.
        heights: inches of a panel, and of each strip below it.
        most: panels side by side.
    """
    columns = columns_for(count, most)
    rows = -(-count // columns)
    figure = new_figure(figure_width(columns), rows * (sum(heights) + 0.2 * len(heights)) + 0.5)
    if title:
        add_title(figure, title)
    grid = figure.subplots(
        rows * len(heights), columns, squeeze=False, sharex=True, height_ratios=[*heights] * rows
    ).reshape(rows, len(heights), columns)
    panels = [list(grid[index // columns, :, index % columns]) for index in range(rows * columns)]
    for unused in (axes for panel in panels[count:] for axes in panel):
        unused.set_axis_off()
    for index, panel in enumerate(panels[:count]):
        for axes, first in zip(panel, panels[0], strict=True):
            if index:
                axes.sharey(first)
            axes.yaxis.set_tick_params(labelleft=index % columns == 0)
    return Sheet(figure, panels[:count], columns)


def short(name: str, inches: float, lines: int = 2) -> str:
    """A name that fits above a panel of that width."""
    width = max(8, int(17 * inches))
    wrapped = textwrap.wrap(printable(name), width) or [""]
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], textwrap.shorten(" ".join(wrapped[lines - 1 :]), width, placeholder="…")]
    return "\n".join(wrapped)


def printable(text: str) -> str:
    """Text that a font and a file can hold: control characters and lone surrogates become blanks."""
    return "".join(character if character.isprintable() else " " for character in text)


def pages(count: int, size: int) -> Iterator[slice]:
    """`count` things in slices of at most `size`, of about equal length."""
    number = -(-count // size)
    for page in range(number):
        yield slice(page * count // number, (page + 1) * count // number)


def thinned(count: int, most: int) -> Integers:
    """At most `most` of the indices below `count`, evenly, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def each(rows: Iterable[Iterable[Row]]) -> list[Row]:
    """The rows of all, one after another."""
    return [row for some in rows for row in some]
