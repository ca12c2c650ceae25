"""The tables as Markdown, for a pull request, an issue or a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from orchestrator.report.tables import Number, Row, Table

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
TEST_SELECTED: Final = (
    "the reported epoch was selected on the test split (select: best_test), so these numbers are optimistic"
)


def markdown(title: str, caption: str, tables: Iterable[Table], notes: Sequence[str]) -> str:
    """A document with one table for each of `tables`; `notes` are plain sentences that end it."""
    parts = [f"# {escape(title)}", "Mean \N{PLUS-MINUS SIGN} standard deviation over seeds; best of each setting bold."]
    if caption:
        parts.append(f"All runs: {escape(caption)}.")
    has_flags = False
    for table in tables:
        parts += [f"## {escape(table.title)}", _table(table), *map(escape, table.remarks)]
        has_flags |= any(row.is_test_selected for row in table.rows)
    if has_flags:
        parts.append(f"\N{DAGGER} {escape(TEST_SELECTED)}.")
    parts += [f"- {escape(note)}" for note in notes]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _table(table: Table) -> str:
    header = [*table.labels, "n", *(measure.heading for measure in table.measures)]
    rule = ["---"] * len(table.labels) + ["---:"] * (1 + len(table.measures))
    lines = [_line(map(escape, header)), _line(rule)]
    lines += [_line([*map(escape, row.labels), row.count, *_numbers(row)]) for row in table.rows]
    return "\n".join(lines)


def _numbers(row: Row) -> list[str]:
    if not row.done:
        return ["missing" for _ in row.numbers]
    return [_number(number, is_flagged=row.is_test_selected) for number in row.numbers]


def _number(number: Number | None, *, is_flagged: bool) -> str:
    if number is None:
        return "\N{EN DASH}"
    text = f"**{number.mean}**" if number.is_best else number.mean
    text += f" \N{PLUS-MINUS SIGN} {number.std}" if number.std else ""
    text += f" (n={number.n})" if number.n else ""
    return f"{text} \N{DAGGER}" if is_flagged else text


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
