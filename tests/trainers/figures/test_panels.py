from __future__ import annotations

import io
from itertools import pairwise

import pytest
from PIL import Image

from tests.trainers.figures.drawing import assert_legible, scored
from trainers.figures.panels import Drawn, columns_for, pages, sheet, short, thinned
from trainers.figures.reliability import draw_reliability
from trainers.figures.style import CYCLE, MARKERS, house_style, line_look, new_figure


def test_the_files_of_a_figure_are_a_picture_vectors_and_a_table() -> None:
    files, again = (draw_reliability([scored(temperature=1.5)], "a run").files() for _ in range(2))
    assert Image.open(io.BytesIO(files["png"])).format == "PNG"
    assert files["pdf"].startswith(b"%PDF-")
    assert b"/Subtype /Image" not in files["pdf"]
    assert b"/Type3" not in files["pdf"]
    assert files["csv"].count(b"\n") == 1 + 2 * 15
    assert files == again


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 4), (5, 3), (6, 3), (8, 4), (9, 3), (10, 4)])
def test_panels_fill_their_rows_as_far_as_they_can(count: int, columns: int) -> None:
    assert columns_for(count) == columns


def test_a_sheet_shares_its_axes_and_names_them_at_the_border_only() -> None:
    with house_style():
        drawn = sheet(5, "title", (1.0, 0.5))
        drawn.label("x", "above", "below")
    assert [panel[0].get_ylabel() for panel in drawn.panels] == ["above", "", "", "above", ""]
    assert [panel[1].get_xlabel() for panel in drawn.panels] == ["", "", "x", "x", "x"]
    drawn.panels[3][0].set_ylim(0, 7)
    assert {panel[0].get_ylim() for panel in drawn.panels} == {(0, 7)}
    assert drawn.panels[0][1].get_ylim() != (0, 7)
    assert sum(axes.axison for axes in drawn.figure.axes) == 10
    assert_legible(drawn.figure)


def test_pages_are_about_equally_full() -> None:
    assert [len(range(100)[page]) for page in pages(52, 16)] == [13, 13, 13, 13]
    assert list(pages(3, 16)) == [slice(0, 3)]
    assert list(pages(0, 16)) == []


def test_thinning_keeps_both_ends() -> None:
    assert thinned(3, 5).tolist() == [0, 1, 2]
    kept = thinned(10_000, 400)
    assert (len(kept), kept[0], kept[-1]) == (400, 0, 9999)


@pytest.mark.parametrize(
    "name", ["", "focal", "a\x00b\ud800", "x" * 300, "focal (gamma=3), resnet110 (shortcut=B) " * 9]
)
def test_a_long_name_is_cut_to_its_lines(name: str) -> None:
    lines = short(name, 1.5).split("\n")
    assert len(lines) <= 2
    assert all(len(line) <= 25 and line.isprintable() for line in lines)


def test_a_value_that_does_not_apply_is_an_empty_cell() -> None:
    drawn = Drawn(new_figure(1, 1), [{"a": 1, "b": float("nan")}, {"a": None, "c": 0.1}])
    assert drawn.csv == "a,b,c\n1,,\n,,0.1\n"


def test_no_two_lines_look_the_same_and_neighbours_differ_twice() -> None:
    looks = [tuple(line_look(number).values()) for number in range(len(CYCLE) * len(MARKERS))]
    assert len(set(looks)) == len(looks)
    assert all(one[0] != other[0] and one[1] != other[1] for one, other in pairwise(looks))
