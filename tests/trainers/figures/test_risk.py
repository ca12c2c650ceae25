from __future__ import annotations

import numpy as np
import pytest

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS
from tests.trainers.figures.drawing import assert_legible, assert_within, rows, scored
from trainers.calibration.bins import top_label
from trainers.figures.panels import Scored
from trainers.figures.risk import MOST_POINTS, draw_risk, risk_curve


def test_the_curve_of_the_printed_set_is_the_one_worked_by_hand() -> None:
    curve = risk_curve(*top_label(np.array(PRINTED_PROBS), np.array(PRINTED_TARGETS)))
    assert curve.risk == pytest.approx([0, 0, 0, 1 / 4, 1 / 5, 1 / 6, 2 / 7, 1 / 4, 1 / 3, 3 / 10])
    assert curve.aurc == pytest.approx(0.1785714286, abs=1e-10)
    assert curve.oracle.mean() == pytest.approx(0.0647222, abs=1e-7)


def test_the_legend_has_the_area_and_the_oracle_is_dotted() -> None:
    drawn = draw_risk({"": [scored("a")]})
    (axes,) = drawn.figure.axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["oracle", "as trained: 585.5"]
    assert [line.get_linestyle() for line in axes.lines[1:]] == ["-", ":"]
    assert_legible(drawn.figure)
    assert_within(drawn.figure)


def test_one_run_has_a_curve_before_and_one_after_scaling() -> None:
    table = rows(draw_risk({"": [scored("a", 1.6)]}))
    assert list(dict.fromkeys(row["run"] for row in table)) == ["as trained", "temperature scaled"]
    assert len(table) == 2 * MOST_POINTS


def test_runs_are_compared_in_their_panel() -> None:
    panels = {f"net {index}": [scored(f"m{number}", 1.5, 1 + number) for number in range(3)] for index in range(3)}
    drawn = draw_risk(panels, "all")
    shown = [axes for axes in drawn.figure.axes if axes.axison]
    assert [axes.get_title() for axes in shown] == list(panels)
    assert {(row["panel"], row["run"]) for row in rows(drawn)} == {(p, r.name) for p, of in panels.items() for r in of}
    last = [row for row in rows(drawn) if float(row["coverage"]) == 1.0]
    assert {row["risk"] for row in last} == {row["oracle"] for row in last} == {"0.672"}
    assert_legible(drawn.figure)


def test_a_run_without_an_error_is_drawn() -> None:
    assert draw_risk({"": [Scored("x", 9 * np.eye(3), np.arange(3))]}).figure.axes[0].get_ylim() == (0, 1)
