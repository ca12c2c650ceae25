"""One look for every figure: colours that the colour-blind tell apart, and no setting of the user's own in the way."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe & Ito 2008.
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
# A light tint of BLUE, to be drawn over.
SKY: Final = "#A9D1EA"
GREY: Final = "#666666"

_HOUSE: Final[dict[str, Any]] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.titlesize": 12,
    "font.size": 10,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "hatch.linewidth": 0.8,
    "legend.fontsize": 9,
    "legend.framealpha": 0.9,
    "lines.linewidth": 1.6,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the house's settings, whatever the user's `matplotlibrc` says (LaTeX text, dark background)."""
    with matplotlib.style.context(["default", _HOUSE]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; inches."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", wspace=0.05, hspace=0.04)
    FigureCanvasAgg(figure)
    return figure


def add_title(figure: Figure, title: str) -> None:
    """A title above all panels, broken into lines that fit."""
    # A title is a name, in which a dollar sign begins no formula.
    figure.suptitle(textwrap.fill(title, width=int(11 * figure.get_figwidth())), parse_math=False)


def save_png(figure: Figure, file: BinaryIO) -> None:
    """Write the figure; the same values give the same bytes, for the version of the library is left out."""
    with house_style():
        figure.savefig(file, format="png", dpi=150, metadata={"Software": None})
