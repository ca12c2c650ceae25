"""One HTML page that holds everything: no script, no other file, no network."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import jinja2

from orchestrator.report.figures import Drawn
from orchestrator.report.gallery import Gallery
from orchestrator.report.markdown import TEST_SELECTED
from orchestrator.report.measures import Better
from orchestrator.report.multiples import Multiple
from orchestrator.report.records import Results, as_text
from orchestrator.report.summary import Summary, split_columns
from orchestrator.report.tables import SELECTED_SHORT, Table, caption, phrase_with_seed

MAX_ROWS: Final = 400
MAX_MISSING: Final = 60
# Wider tables put the deviation below the mean, so that they fit a screen and a sheet.
MAX_FLAT_COLUMNS: Final = 7
_ARROWS: Final[Mapping[Better, str]] = {"higher": "\N{UPWARDS ARROW}", "lower": "\N{DOWNWARDS ARROW}", "neither": ""}
_MEDIA_TYPES: Final[Mapping[str, str]] = {"png": "image/png", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Document:
    """What a page shows.

    Attributes:
        results: what there is.
        summary: its averages.
        tables: the same as text.
        drawn: the bar charts.
        gallery: the reliability diagrams.
        notes: plain sentences.
        written: when and by what, one line.
        multiples: the figures of several runs.
    """

    results: Results
    summary: Summary
    tables: Sequence[Table]
    drawn: Sequence[Drawn]
    gallery: Gallery
    notes: Sequence[str]
    written: str
    multiples: Sequence[Multiple] = ()


@dataclass(frozen=True, slots=True)
class MissingJob:
    """A planned job that is not done: its id, its cell, and why, where that is known."""

    job: str
    cell: str
    state: str


def render_page(document: Document) -> str:
    """The page as HTML; whatever came from a grid or a result is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orchestrator.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    results = document.results
    missing = missing_jobs(results)
    return environment.get_template("page.html.j2").render(
        document=document,
        experiment=results.experiment,
        facts=facts_of(results),
        fixed=caption(document.summary.fixed),
        missing=missing[:MAX_MISSING],
        missing_left_out=len(missing) - len(missing[:MAX_MISSING]),
        legend=legend_of(document.tables),
        test_selected=TEST_SELECTED if any(run.is_test_selected for run in results.runs) else "",
        selected_short=SELECTED_SHORT,
        max_rows=MAX_ROWS,
        arrows=_ARROWS,
        stack_from=MAX_FLAT_COLUMNS,
        data_uri=data_uri,
    )


def facts_of(results: Results) -> list[tuple[str, str]]:
    """The line of counts under the title: pairs of a number and what it counts."""
    total, done = len(results.cells), len(results.runs)
    facts = [(f"{done} of {total}" if done < total else str(done), "jobs done")]
    states = Counter(results.states.get(cell.job, "").partition(":")[0] or "not done" for cell in results.missing)
    facts += [(str(count), state) for state, count in states.most_common()]
    # Trainers say where they ran and for how long; the `seconds` of any other program may be those of anything.
    trained = [run for run in results.runs if "device" in run.values]
    seconds = sum(number for run in trained if (number := run.number("seconds")) is not None)
    if seconds > 0:
        facts.append((duration(seconds), "run time in all"))
    devices = Counter(text for run in results.runs if (text := as_text(run.values.get("device"))))
    if devices:
        facts.append((str(len(devices)), f"{'kind' if len(devices) == 1 else 'kinds'} of device: {', '.join(devices)}"))
    return facts


def legend_of(tables: Sequence[Table]) -> str:
    """What the signs in the tables mean, of those that are there; may be empty."""
    numbers = [number for table in tables for row in table.rows for number in row.numbers if number is not None]
    measures = [measure for table in tables for measure in table.measures]
    parts = []
    if any(number.std for number in numbers):
        parts.append("Mean \N{PLUS-MINUS SIGN} standard deviation (n \N{MINUS SIGN} 1) over seeds.")
    if any(number.is_best for number in numbers):
        parts.append("Bold: the best mean among the rows of one setting (data set and imbalance).")
    if any(measure.better != "neither" for measure in measures):
        parts.append(f"{_ARROWS['higher']} higher is better, {_ARROWS['lower']} lower.")
    if any(measure.key.endswith("_ts") for measure in measures):
        parts.append("TS: after temperature scaling on the validation split.")
    return " ".join(parts)


def missing_jobs(results: Results) -> list[MissingJob]:
    """The jobs that are not done, by what makes their cell different."""
    columns, _ = split_columns(results.cells)
    return [
        MissingJob(cell.job, phrase_with_seed(columns, cell.values), results.states.get(cell.job) or "not done")
        for cell in results.missing
    ]


def duration(seconds: float) -> str:
    """Hours and minutes, or what is left when there are none."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def data_uri(data: bytes, kind: str) -> str:
    """An image that lies in the page itself; as an `img` an SVG runs nothing."""
    return f"data:{_MEDIA_TYPES[kind]};base64,{base64.b64encode(data).decode('ascii')}"
