r"""The tables as LaTeX for `\usepackage{booktabs}`: to be put into a paper with `\input`, one `tabular` each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from orchestrator.report.tables import Number, Row, Table

_ESCAPES: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "%": r"\%",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "\N{EN DASH}": "--",
    }
)


def latex(title: str, caption: str, tables: Iterable[Table]) -> str:
    """One `tabular` for each of `tables`, with comments that say what they are."""
    head = [f"% {_comment(title)}: mean and standard deviation over seeds. Needs \\usepackage{{booktabs}}."]
    if caption:
        head.append(f"% All runs: {_comment(caption)}.")
    return "\n\n".join(["\n".join(head), *map(_tabular, tables)]) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX prints as it is, on one line."""
    return " ".join(text.split()).translate(_ESCAPES)


def _comment(text: str) -> str:
    return " ".join(text.split())


def _tabular(table: Table) -> str:
    columns = "l" * len(table.labels) + "r" + "c" * len(table.measures)
    header = [*table.labels, "n", *(measure.heading for measure in table.measures)]
    lines = [
        f"% {_comment(table.title)}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line(map(escape, header)),
    ]
    for block in table.blocks:
        lines += [r"\midrule", *(_row(row) for row in block)]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if any(row.is_test_selected for row in table.rows):
        lines.append("\\par\\smallskip\\footnotesize $^\\dagger$ epoch selected on the test split")
    lines += [f"\\par\\smallskip\\footnotesize {escape(remark)}" for remark in table.remarks]
    return "\n".join(lines)


def _row(row: Row) -> str:
    labels = [*map(escape, row.labels), row.count]
    if not row.done and row.numbers:
        return _line([*labels, rf"\multicolumn{{{len(row.numbers)}}}{{c}}{{missing}}"])
    return _line([*labels, *(_number(number, is_flagged=row.is_test_selected) for number in row.numbers)])


def _number(number: Number | None, *, is_flagged: bool) -> str:
    if number is None:
        return "--"
    text = rf"\textbf{{{number.mean}}}" if number.is_best else number.mean
    text += rf" $\pm$ {number.std}" if number.std else ""
    return rf"{text}$^\dagger$" if is_flagged else text


def _line(cells: Iterable[str]) -> str:
    return rf"{' & '.join(cells)} \\"
