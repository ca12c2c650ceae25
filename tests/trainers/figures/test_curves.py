from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from tests.trainers.figures.drawing import assert_legible, assert_within
from trainers.figures.curves import curves_figure
from trainers.figures.style import save_png


def history(epochs: int) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "lr": 0.1, "train_loss": 1 / epoch, "train_acc": 0.9, "test_acc": 0.5, "test_ece": 0.2}
        for epoch in range(1, epochs + 1)
    ]


def labels(axes: Axes) -> list[str]:
    return axes.get_legend_handles_labels()[1]


def test_a_column_has_a_line_only_where_something_was_measured() -> None:
    rows = history(3)
    assert labels(curves_figure(rows, 2, "").axes[0]) == ["train", "test", "reported epoch"]
    rows[1]["val_acc"] = 0.4
    assert labels(curves_figure(rows, 2, "").axes[0]) == ["train", "validation", "test", "reported epoch"]


def test_a_missing_cell_is_bridged_and_so_is_one_that_is_not_a_number() -> None:
    rows = history(5)
    rows[1]["test_acc"], rows[3]["test_acc"], rows[4]["test_acc"] = None, math.nan, math.inf
    (line,) = [line for line in curves_figure(rows, 4, "").axes[0].lines if line.get_label() == "test"]
    assert np.asarray(line.get_xdata()).tolist() == [1, 3]


def test_the_reported_epoch_is_marked_in_every_panel() -> None:
    marks = [axes.lines[-1].get_xdata() for axes in curves_figure(history(5), 3, "").axes]
    assert [np.asarray(mark).tolist() for mark in marks] == [[4, 4]] * 4


@pytest.mark.parametrize(
    ("rates", "scale"),
    [
        ([0.1, 0.1, 0.1, 0.01, 0.01, 0.01], "log"),
        ([0.1] * 6, "linear"),
        ([0.1, 0.1, 0.1, 0.1, 0.0, 0.0], "linear"),
        ([0.1, 0.08, 0.06, 0.04, 0.02, 0.0], "linear"),
    ],
)
def test_a_rate_that_falls_in_steps_has_a_logarithmic_axis(rates: list[float], scale: str) -> None:
    rows = [{**row, "lr": rate} for row, rate in zip(history(6), rates, strict=True)]
    assert curves_figure(rows, 5, "").axes[3].get_yscale() == scale


@pytest.mark.parametrize("epochs", [1, 2, 200])
def test_a_run_of_any_length_is_drawn_with_whole_epochs_below_and_the_same_each_time(epochs: int) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    figure = curves_figure(history(epochs), 0, "50$ of digits$")
    save_png(figure, first)
    save_png(curves_figure(history(epochs), 0, "50$ of digits$"), second)
    assert first.getvalue() == second.getvalue()
    assert all(tick == int(tick) for tick in figure.axes[2].get_xticks())


def test_curves_are_legible_at_the_width_they_are_printed_at() -> None:
    figure = curves_figure(history(9), 3, "focal, resnet20, cifar10")
    assert_legible(figure)
    assert_within(figure)
