from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from tests.trainers.figures.drawing import assert_legible, assert_within, rows
from trainers.figures.gammas import BinHistory, bin_history, draw_gammas


def table(epochs: Iterable[int], bins: int = 3) -> list[dict[str, Any]]:
    """As val_bin_stats.csv is read: text; the first bin is empty in the first epoch."""
    return [
        {"epoch": str(epoch), "bin": str(number), "gamma_after": str(epoch - 3.0 * number), "gap": "" if
         (epoch, number) == (1, 0) else str(0.1 * number)}
        for epoch in epochs for number in range(bins)
    ]  # fmt: skip


def maps(history: BinHistory) -> list[QuadMesh]:
    return [
        found
        for axes in draw_gammas([history]).figure.axes
        for found in axes.collections
        if isinstance(found, QuadMesh)
    ]


def test_the_history_is_bins_by_epochs_and_an_empty_bin_says_nothing() -> None:
    history = bin_history("run", table((1, 2, 5)))
    assert history.epochs.tolist() == [1, 2, 5]
    assert history.gamma.tolist() == [[1, 2, 5], [-2, -1, 2], [-5, -4, -1]]
    assert np.isnan(history.gap[0, 0])
    assert history.gap[2].tolist() == pytest.approx([0.2] * 3)


def test_white_is_zero_and_a_cell_reaches_back_to_the_update_before() -> None:
    gamma, _ = maps(bin_history("run", table((1, 2, 5))))[:2]
    assert gamma.get_clim() == (-5, 5)
    assert np.asarray(gamma.get_coordinates())[0, :, 0].tolist() == [0.5, 1.5, 2.5, 5.5]


@pytest.mark.parametrize("epochs", [(1,), (1, 2, 3), tuple(range(10, 351, 10))])
def test_one_run_or_several_over_any_epochs(epochs: tuple[int, ...]) -> None:
    history = bin_history("run", table(epochs, bins=15))
    for runs in ([history], [history] * 4):
        drawn = draw_gammas(runs, "AdaFocal")
        assert len(rows(drawn)) == len(runs) * len(epochs) * 15
        assert_legible(drawn.figure)
        assert_within(drawn.figure)


@pytest.mark.parametrize(
    "broken", [[], [{"epoch": "1"}], [{"epoch": "1", "bin": "x", "gamma_after": "1", "gap": ""}], [{"a": None}]]
)
def test_what_is_no_table_of_bins_is_refused(broken: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whatever float() says of the cell
        bin_history("run", broken)
