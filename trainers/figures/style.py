"""One look for every figure: colours that the colour-blind tell apart, and no setting of the user's own in the way.

Figures are drawn at the size they are printed at, one column of a paper or both, and no letter is smaller than 7 pt.
"""

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
PURPLE: Final = "#CC79A7"
BLACK: Final = "#000000"
LIGHT_BLUE: Final = "#56B4E9"
# A light tint of BLUE, to be drawn over.
SKY: Final = "#A9D1EA"
GREY: Final = "#666666"
# All of Okabe & Ito's but yellow, which white paper swallows.
CYCLE: Final = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, LIGHT_BLUE, BLACK)
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")

# Inches: the text of two columns, and one of them.
PAGE_WIDTH: Final = 7.0
COLUMN_WIDTH: Final = 3.4
LEAST_POINTS: Final = 7.0

_HOUSE: Final[dict[str, Any]] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 8,
    "axes.labelpad": 2.5,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "axes.titlepad": 4,
    "axes.titley": 1.0,  # to look for a place at each drawing takes a sixth of the time
    "figure.titlesize": 9,
    "font.size": 8,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 7,
    "legend.framealpha": 0.9,
    "legend.handlelength": 1.8,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # venues refuse Type 3
    "xtick.labelsize": 7,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.7,
    "ytick.labelsize": 7,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.7,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the house's settings, whatever the user's `matplotlibrc` says (LaTeX text, dark background)."""
    with matplotlib.style.context(["default", _HOUSE]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; inches."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", wspace=0.04, hspace=0.04, w_pad=0.03, h_pad=0.03)
    FigureCanvasAgg(figure)
    return figure


def add_title(figure: Figure, title: str) -> None:
    """A title above all panels, broken into lines that fit."""
    # A title is a name, in which a dollar sign begins no formula.
    figure.suptitle(textwrap.fill(title, width=int(14 * figure.get_figwidth())), parse_math=False)


def line_look(index: int) -> dict[str, Any]:
    """Colour and marker of the line with that number; both differ for the first seven, and all 49 pairs are used."""
    turn, place = divmod(index, len(CYCLE))
    return {"color": CYCLE[place], "marker": MARKERS[(place + turn) % len(MARKERS)]}


def save_png(figure: Figure, file: BinaryIO) -> None:
    """Write the figure; the same values give the same bytes, for the version of the library is left out."""
    with house_style():
        figure.savefig(file, format="png", dpi=200, metadata={"Software": None})


def save_pdf(figure: Figure, file: BinaryIO) -> None:
    """Write the figure as vectors with its fonts in it; the same values give the same bytes."""
    with house_style():
        figure.savefig(file, format="pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None})
