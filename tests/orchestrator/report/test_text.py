"""The tables as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import math

from orchestrator.report.csvfiles import run_rows, runs_csv, summary_csv
from orchestrator.report.latex import escape as escape_latex
from orchestrator.report.latex import latex
from orchestrator.report.markdown import escape as escape_markdown
from orchestrator.report.markdown import markdown
from orchestrator.report.records import Cell, Run
from orchestrator.report.summary import summarise
from orchestrator.report.tables import tables_of
from tests.orchestrator.report.builders import call_runs, results_of, train_run, two_losses


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_summary_csv_holds_fractions_with_every_digit() -> None:
    ce, bsce = read(summary_csv(summarise(two_losses())))
    assert (ce["loss"], ce["n"], ce["planned"], ce["select"]) == ("ce", "2", "2", "last")
    assert math.isclose(float(ce["test_acc_mean"]), 0.55)
    assert math.isclose(float(ce["test_acc_std"]), 0.1 * math.sqrt(2))
    assert "test_acc_n" not in ce
    assert float(bsce["test_ece_mean"]) == 0.13


def test_summary_csv_has_empty_cells_for_what_is_missing() -> None:
    missing = Cell("m", {"dataset": "digits", "imbalance.ratio": 100, "loss": "ldam", "seed": 0})
    results = results_of([train_run("ce", 0, 0.5, test_ece=None), train_run("ce", 1, 0.5, test_ece=0.1)], missing)
    ce, ldam = read(summary_csv(summarise(results)))
    assert (ce["test_ece_n"], ce["test_ece_std"]) == ("1", "")
    assert (ldam["n"], ldam["planned"], ldam["test_acc_mean"]) == ("0", "1", "")


def test_runs_csv_has_one_row_a_run_in_the_order_of_the_plan() -> None:
    rows = read(runs_csv(two_losses().runs))
    assert [row["job"] for row in rows] == ["digits-ce-0", "digits-ce-1", "digits-bsce-0", "digits-bsce-1"]
    header = list(rows[0])
    assert header[:2] == ["job", "attempt"]
    assert header[-5:] == ["device", "seconds", "epoch", "select", "note"]
    assert rows[1]["test_acc"] == "0.65"


def test_a_result_named_like_another_column_does_not_replace_it() -> None:
    run = Run(Cell("a", {"x": 1, "select": "last"}), 2, {"job": "mine", "x": 7, "select": "last", "v": math.nan})
    (row,) = run_rows([run])
    assert (row["job"], row["attempt"], row["x"], row["select"], row["v"]) == ("a", 2, 1, "last", None)
    assert (row["result.job"], row["result.x"]) == ("mine", 7)
    assert "result.select" not in row


def test_no_runs_make_a_header() -> None:
    assert runs_csv([]) == "job,attempt,device,seconds,epoch,select,note\n"


def test_markdown_has_a_row_for_each_group_and_a_bold_best() -> None:
    text = markdown("digits-lt", "dataset digits", tables_of(summarise(two_losses())), ["A note."])
    assert "| ce | 2 | 55.00 \N{PLUS-MINUS SIGN} 14.14 |" in text
    assert "| bsce | 2 | **70.00** \N{PLUS-MINUS SIGN} 0.00 |" in text
    assert "All runs: dataset digits." in text
    assert text.endswith("- A note.\n")
    assert "\N{DAGGER}" not in text


def test_a_number_selected_on_test_is_flagged_beside_it_in_every_format() -> None:
    tables = tables_of(summarise(results_of([train_run("ce", 0, 0.5, select="best_test"), train_run("bsce", 0, 0.4)])))
    text = markdown("x", "", tables, [])
    assert "| ce | 1 | 50.00 \N{DAGGER} |" in text
    assert "select: best\\_test" in text
    assert r"50.00$^\dagger$" in latex("x", "", tables)
    assert r"40.00$^\dagger$" not in latex("x", "", tables)


def test_hostile_names_stay_text_in_markdown() -> None:
    hostile = "a|b\n# head <script>alert(1)</script> `code` **bold**"
    text = markdown(
        hostile,
        hostile,
        tables_of(summarise(results_of([train_run(hostile, 0, 0.5), train_run("ce", 0, 0.4)]))),
        [hostile],
    )
    assert "<script" not in text.replace(r"\<script", "")
    (row,) = (line for line in text.splitlines() if line.startswith("| a"))
    assert row.replace(r"\|", "").count("|") == 4
    assert escape_markdown("a_b*c") == r"a\_b\*c"


def test_latex_is_booktabs_with_special_characters_escaped() -> None:
    text = latex(
        "digits-lt", "", tables_of(summarise(results_of([train_run("a_b & 50%", 0, 0.5), train_run("ce", 0, 0.6)])))
    )
    assert r"a\_b \& 50\% & 1 & 50.00 \\" in text
    assert r"ce & 1 & \textbf{60.00} \\" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert escape_latex("\\{$^~#}\n") == r"\textbackslash{}\{\$\textasciicircum{}\textasciitilde{}\#\}"


def test_a_newline_in_a_title_cannot_leave_a_latex_comment() -> None:
    text = latex("x\n\\input{y}", "a\n\\input{z}", tables_of(summarise(two_losses())))
    assert not [line for line in text.splitlines() if line.lstrip().startswith("\\input")]


def test_a_missing_group_says_so_across_the_numbers() -> None:
    missing = Cell("m", {"dataset": "digits", "imbalance.ratio": 100, "loss": "ldam", "seed": 0})
    tables = tables_of(summarise(results_of(two_losses().runs, missing)))
    assert r"ldam & 0 of 1 & \multicolumn{1}{c}{missing} \\" in latex("x", "", tables)
    assert "| ldam | 0 of 1 | missing |" in markdown("x", "", tables, [])


def test_call_jobs_without_numbers_can_be_printed() -> None:
    results = call_runs([{"value": "text"}, {}])
    tables = tables_of(summarise(results))
    assert "| 0 | 1 |" in markdown("x", "", tables, [])
    assert r"0 & 1 \\" in latex("x", "", tables)
    assert read(runs_csv(results.runs))[0]["value"] == "text"
