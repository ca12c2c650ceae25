from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.trainers.figures.drawing import assert_legible, assert_within, rows
from trainers.figures.lines import METRICS, Method, draw_lines, lr_drops


def history(epochs: int = 6, level: float = 0.2, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "epoch": epoch,
            "lr": 0.1 if epoch <= 3 else 0.01,
            "test_acc": 1 - level / epoch,
            "test_ece": level,
            "test_ece_ts": level / 2,
            "test_nll": 1 + level,
            **more,
        }
        for epoch in range(1, epochs + 1)
    ]


def test_a_method_has_a_solid_line_and_a_dashed_one_after_scaling() -> None:
    drawn = draw_lines({"": [Method("ce", [history()])]})
    by_title = {axes.get_title(): axes for axes in drawn.figure.axes}
    assert list(by_title) == ["accuracy (%)", "ECE (%)", "NLL (nats)"]
    solid, dashed, drop = by_title["ECE (%)"].lines
    assert (solid.get_linestyle(), dashed.get_linestyle(), drop.get_linestyle()) == ("-", "--", ":")
    assert np.asarray(solid.get_ydata()) == pytest.approx([20] * 6)
    assert np.asarray(dashed.get_ydata()) == pytest.approx([10] * 6)
    assert np.asarray(drop.get_xdata()).tolist() == [3.5, 3.5]
    assert by_title["NLL (nats)"].get_yscale() == "log"
    assert_legible(drawn.figure)
    assert_within(drawn.figure)


def test_seeds_are_averaged_and_their_deviation_is_told() -> None:
    table = rows(draw_lines({"": [Method("ce", [history(level=0.1), history(level=0.3)])]}))
    (cell,) = [row for row in table if row["metric"] == "test_ece" and row["epoch"] == "4"]
    assert float(cell["mean"]) == pytest.approx(0.2)
    assert float(cell["std"]) == pytest.approx(0.2 / 2**0.5)


def test_columns_share_the_scale_of_a_row_and_nothing_is_cut_off() -> None:
    columns = {f"net {level}": [Method("ce", [history(level=level)])] for level in (0.1, 0.4)}
    drawn = draw_lines(columns)
    assert [axes.get_title() for axes in drawn.figure.axes[:2]] == list(columns)
    for first, second in zip(drawn.figure.axes[::2], drawn.figure.axes[1::2], strict=True):
        assert first.get_ylim() == second.get_ylim()
        drawn_values = [np.asarray(line.get_ydata()) for axes in (first, second) for line in axes.lines]
        assert max(float(values.max()) for values in drawn_values) <= first.get_ylim()[1]
    assert_legible(drawn.figure)


def test_thirteen_methods_and_four_backbones_fit_a_page() -> None:
    methods = [Method(f"method {number}", [history(level=0.1 + number / 50)]) for number in range(13)]
    drawn = draw_lines({f"net {index}": methods for index in range(4)}, "cifar10")
    assert len(drawn.figure.axes) == 3 * 4
    assert_legible(drawn.figure)
    assert_within(drawn.figure)


@pytest.mark.parametrize(
    ("rates", "drops"),
    [
        ([0.1, 0.1, 0.1, 0.01, 0.01, 0.01], [3.5]),
        ([0.1, 0.08, 0.06, 0.04, 0.02, 0.01], []),
        ([0.1] * 6, []),
        ([0.01, 0.1, 0.1, 0.1, 0.1, 0.01], [5.5]),
    ],
)
def test_only_a_rate_that_falls_in_steps_drops(rates: list[float], drops: list[float]) -> None:
    stepped = [{**row, "lr": rate} for row, rate in zip(history(), rates, strict=True)]
    assert lr_drops([stepped]) == drops
    assert lr_drops([stepped, history()]) == (drops if drops == [3.5] else [])


def test_a_history_without_a_number_is_an_empty_panel() -> None:
    drawn = draw_lines({"": [Method("ce", [[{"epoch": 1, "test_acc": None}]])]})
    assert [axes.get_title() for axes in drawn.figure.axes] == [METRICS[0].label]
    assert rows(drawn) == []
    assert set(drawn.files()) == {"png", "pdf", "csv"}
