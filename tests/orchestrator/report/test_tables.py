from __future__ import annotations

import math

import pytest

from orchestrator.report.measures import Measure, measures_of
from orchestrator.report.records import Cell, Run
from orchestrator.report.summary import Stat, summarise
from orchestrator.report.tables import Number, caption, format_value, labels_of, number_of, phrase, tables_of
from tests.orchestrator.report.builders import call_runs, results_of, train_run, two_losses


def test_accuracy_and_calibration_stand_in_percent_with_two_decimals() -> None:
    accuracy, calibration = tables_of(summarise(two_losses()))
    assert [row.labels for row in accuracy.rows] == [("ce",), ("bsce",)]
    assert accuracy.rows[0].numbers == (Number("55.00", "14.14"),)
    assert accuracy.rows[1].numbers == (Number("70.00", "0.00", is_best=True),)
    assert [measure.heading for measure in calibration.measures] == ["ECE (%)"]
    assert calibration.rows[1].numbers == (Number("13.00", "0.00", is_best=True),)


def test_a_row_says_how_many_of_its_runs_are_done() -> None:
    missing = Cell("m", {"dataset": "digits", "imbalance.ratio": 100, "loss": "ce", "seed": 2})
    accuracy, _ = tables_of(summarise(results_of(two_losses().runs, missing)))
    assert [row.count for row in accuracy.rows] == ["2 of 3", "2"]


def test_a_mean_over_fewer_values_than_runs_says_so() -> None:
    (table,) = tables_of(summarise(results_of([train_run("ce", 0, 0.5), train_run("ce", 1, None)])))
    assert table.rows[0].numbers == (Number("50.00", n="1"),)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (0.5, "0.5000"),
        (1234.5678, "1235"),
        (12.345, "12.35"),
        (1e-5, "1.000e-05"),
        (2.5e7, "25000000"),
        (2.5e12, "2.500e+12"),
        (math.inf, "inf"),
        (0.0, "0"),
        (-0.25, "-0.2500"),
    ],
)
def test_a_number_of_unknown_unit_has_four_significant_digits(value: float, text: str) -> None:
    assert format_value(value, Measure("value", "value")) == text


def test_nll_has_three_decimals_and_no_percent() -> None:
    (nll,) = measures_of(["test_nll"])
    assert number_of(Stat(1.23456, 0.0312, 3), nll) == Number("1.235", "0.031")


def test_a_parameter_stands_behind_the_name_it_belongs_to() -> None:
    columns = ("loss", "loss.gamma", "imbalance.ratio", "train.lr")
    headings, labels = labels_of(columns, {"loss": "focal", "loss.gamma": 2, "imbalance.ratio": 100, "train.lr": 0.1})
    assert headings == ("loss", "imbalance ratio", "lr")
    assert labels == ("focal (gamma=2)", "100", "0.1")
    assert labels_of(columns, {"loss": "ce"})[1] == ("ce", "\N{EN DASH}", "\N{EN DASH}")


def test_names_spelled_as_mappings_read_the_same() -> None:
    assert labels_of(("loss.name", "loss.gamma"), {"loss.name": "focal", "loss.gamma": 2}) == (
        ("loss",),
        ("focal (gamma=2)",),
    )


def test_a_phrase_names_what_a_bare_number_means() -> None:
    assert phrase(("imbalance.ratio", "loss"), {"imbalance.ratio": 100, "loss": "ce"}) == "imbalance ratio 100, ce"
    assert phrase((), {}) == "all runs"
    assert phrase(("loss",), {"loss": ""}).startswith("loss")


def test_what_all_runs_share_is_one_line() -> None:
    assert caption({"dataset": "digits", "train.epochs": 10, "loss.name": "ce", "absent": None}) == (
        "dataset digits, epochs 10, loss ce"
    )


def test_call_jobs_are_tabled_by_their_numbers() -> None:
    (table,) = tables_of(summarise(call_runs([{"value": 3}, {"value": 4.5}])))
    assert (table.title, table.labels) == ("Results", ("x",))
    assert [row.numbers for row in table.rows] == [(Number("3"),), (Number("4.500"),)]


def test_results_without_a_number_still_make_a_table_of_counts() -> None:
    (table,) = tables_of(summarise(call_runs([{"value": "done"}, {}])))
    assert table.measures == ()
    assert [row.count for row in table.rows] == ["1", "1"]


def test_a_job_with_many_numbers_has_the_first_dozen_and_says_how_many_more() -> None:
    result = {f"m{index:02}": index for index in range(15)}
    (table,) = tables_of(summarise(results_of([Run(Cell("a", {}), 1, result)])))
    assert (len(table.measures), table.left_out) == (12, 3)
