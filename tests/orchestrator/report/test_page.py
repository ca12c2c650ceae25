from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orchestrator.report.figures import draw_bars
from orchestrator.report.gallery import FILE_NAME, MAX_PICTURES, gallery_of
from orchestrator.report.notes import notes_of
from orchestrator.report.page import MAX_MISSING, MAX_ROWS, Document, duration, facts_of, legend_of, render_page
from orchestrator.report.records import Cell, Results, Run
from orchestrator.report.summary import summarise
from orchestrator.report.tables import tables_of
from tests.orchestrator.report.builders import call_runs, results_of, train_run, two_losses

VOID_ELEMENTS = {"meta", "img", "br"}
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


class Page(HTMLParser):
    """Checks that every element is closed in its turn, and collects elements and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(results: Results, *, has_figures: bool = False) -> Page:
    return Page(render_page(document_of(results, has_figures=has_figures)))


def document_of(results: Results, *, has_figures: bool = False) -> Document:
    summary = summarise(results)
    return Document(
        results=results,
        summary=summary,
        tables=tables_of(summary),
        drawn=draw_bars(summary) if has_figures else [],
        gallery=gallery_of(summary),
        notes=notes_of(results, summary),
        written="Report of today",
    )


def test_the_page_shows_means_deviations_counts_and_figures() -> None:
    page = page_of(two_losses(), has_figures=True)
    words = " ".join(page.text.split())
    for expected in ("digits-lt", "4 jobs done", "55.00 \N{PLUS-MINUS SIGN} 14.14", "ECE"):
        assert expected in words
    assert "All runs: dataset digits, imbalance ratio 100." in words
    assert len(page.all("img")) == 2
    assert "Missing" not in words


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = page_of(two_losses(), has_figures=True)
    links = [value for _, attributes in page.elements for key, value in attributes.items() if key in {"src", "href"}]
    assert links
    assert all(value is not None and value.startswith("data:image/") for value in links)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    (style,) = re.findall(r"<style>(.*?)</style>", render_page(document_of(two_losses())), re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}&amp;"])
def test_names_and_notes_are_text_whatever_they_hold(tmp_path: Path, hostile: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(PNG)
    base = train_run(hostile, 0, 0.5, note=hostile, device=hostile, **{hostile: 3})
    run = replace(base, folder=tmp_path, cell=Cell(hostile, {**base.cell.values, hostile: hostile}, hostile))
    missing = Cell(hostile + "2", {"loss": hostile, "seed": 1})
    results = Results(hostile, [run, train_run("ce", 0, 0.4)], [run.cell, missing], {missing.job: f"failed: {hostile}"})
    page = page_of(results, has_figures=True)
    assert "script" not in {tag for tag, _ in page.elements}
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert all((attributes["src"] or "").startswith("data:") for attributes in page.all("img"))
    assert page.text.count(hostile) >= 6


def test_missing_jobs_are_named_with_their_state() -> None:
    missing = [
        Cell(f"m{seed}", {"dataset": "digits", "imbalance.ratio": 100, "loss": "ldam", "seed": seed}) for seed in (0, 1)
    ]
    page = page_of(results_of(two_losses().runs, *missing, m1="failed: CUDA out of memory"))
    words = " ".join(page.text.split())
    assert "4 of 6 jobs done" in words
    assert "m0 ldam, seed 0 not done m1 ldam, seed 1 failed: CUDA out of memory" in words
    assert "0 of 2 missing" in words


def test_a_long_list_is_cut_and_says_so() -> None:
    missing = [Cell(f"m{seed}", {"loss": "ce", "seed": seed}) for seed in range(MAX_MISSING + 5)]
    assert "And 5 more." in page_of(results_of(two_losses().runs, *missing)).text
    many = results_of([Run(Cell(f"j{x}", {"x": x}), 1, {"note": "n"}) for x in range(MAX_ROWS + 3)])
    page = page_of(many)
    assert f"The first {MAX_ROWS} of {MAX_ROWS + 3} rows" in page.text
    assert "383 more notes" in page.text


def test_a_number_selected_on_test_is_flagged_beside_it_and_explained() -> None:
    words = " ".join(page_of(results_of([train_run("ce", 0, 0.5, select="best_test")])).text.split())
    assert "50.00 \N{DAGGER}" in words
    assert "selected on the test split" in words
    assert "\N{DAGGER}" not in page_of(two_losses()).text


def test_a_page_of_call_jobs_works_with_and_without_numbers() -> None:
    assert "4.500" in page_of(call_runs([{"value": 3}, {"value": 4.5}])).text
    page = page_of(call_runs([{"value": "text"}, {}]), has_figures=True)
    assert page.all("img") == []
    assert "Runs without a number" in page.text


def test_runs_made_on_several_devices_are_pointed_out() -> None:
    results = results_of([train_run("ce", 0, 0.5, device="cpu"), train_run("ce", 1, 0.5, device="NVIDIA H100")])
    assert "several kinds of device: NVIDIA H100 (1 run), cpu (1 run)." in page_of(results).text


def test_the_counts_add_up_by_state() -> None:
    missing = [Cell(name, {"loss": "ce", "seed": name}) for name in ("a", "b", "c")]
    results = results_of(
        [train_run("ce", 0, 0.5, seconds=7200, device="cpu")], *missing, a="failed: oom", b="failed: nan"
    )
    assert facts_of(results) == [
        ("1 of 4", "jobs done"),
        ("2", "failed"),
        ("1", "not done"),
        ("2 h 0 min", "run time in all"),
        ("1", "kind of device: cpu"),
    ]


@pytest.mark.parametrize(("seconds", "text"), [(1.25, "1.2 s"), (59.99, "60.0 s"), (90, "2 min"), (3599, "1 h 0 min")])
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_legend_explains_the_signs_that_are_there_and_no_others() -> None:
    assert legend_of(tables_of(summarise(call_runs([{"value": 3}])))) == ""
    legend = legend_of(tables_of(summarise(two_losses())))
    assert "standard deviation" in legend
    assert "Bold" in legend
    assert "TS" not in legend


def test_every_row_has_a_diagram_before_any_has_two_and_the_choice_is_named(tmp_path: Path) -> None:
    runs = []
    for loss in "abcdef":
        for seed in range(6):
            folder = tmp_path / f"{loss}{seed}"
            folder.mkdir()
            (folder / FILE_NAME).write_bytes(PNG)
            runs.append(replace(train_run(loss, seed, 0.5), folder=folder))
    gallery = gallery_of(summarise(results_of(runs)))
    assert len(gallery.pictures) == MAX_PICTURES
    assert [picture.caption for picture in gallery.pictures][:5] == [f"a, seed {seed}" for seed in range(4)] + [
        "b, seed 0"
    ]
    assert "24 of 36 runs are shown" in gallery.note


def test_diagrams_that_are_absent_or_no_png_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / FILE_NAME).write_bytes(PNG)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / FILE_NAME).write_bytes(b"<svg onload=alert(1)>")
    (tmp_path / "none").mkdir()
    folders = [tmp_path / "good", tmp_path / "bad", tmp_path / "none", None]
    runs = [replace(train_run("ce", seed, 0.5), folder=folder) for seed, folder in enumerate(folders)]
    gallery = gallery_of(summarise(results_of(runs)))
    assert [picture.job for picture in gallery.pictures] == ["digits-ce-0"]
    assert "1 of 3 runs are shown" in gallery.note
