"""Every order of requests and every accident of small worlds, searched to the end (see `checker`).

The numbers of states are exact: a guard that cuts a world short shows here. Where the protocol changes, they change.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.jobs.checker.files import Files
from tests.jobs.checker.keeping import load, save
from tests.jobs.checker.liveness import check_survivors
from tests.jobs.checker.search import Search
from tests.jobs.checker.shape import Shape
from tests.jobs.checker.world import search_of, small_budgets

pytestmark = pytest.mark.timeout(900)  # a busy machine searches them all, only slower

# Two workers and one job. Workers that go on in a new session, or are started again; three accidents; an operator.
STATES: Final = {
    "restarted": (Shape(faults=1, spare_sessions=1, commands=()), 52_615),
    "lost": (Shape(attempts=2, faults=2, spare_sessions=1, commands=()), 85_694),
    "faulty": (Shape(faults=3, spare_sessions=0, sessions=1, commands=()), 296_581),
    "commanded and faulty": (Shape(faults=1, spare_sessions=0, sessions=1, commands=(1,)), 469_599),
}

# What the worlds must come to: words of the turns that lead there.
EVENTS: Final = (
    *("PAUSED", "CRASHES", "its lease released", "REMOVES", "NO REPLY", "NO EFFECT", "DOES NOT SHOW", "STALE"),
    *("evicted as job-0000.0001.end", "evicted as 0000000000000000.end", "evicted as 0000000000000000.lease"),
    *("asks again", "gives back", "is started again", "and opens", "STOPPED", "UNKNOWN", "SUPERSEDED", "leaves"),
    *("Cancel", "Requeue", "requeue_fresh", "IS_RUNNING", "IS_DONE", "TAKEN"),
)


def searched(shape: Shape) -> Search:
    search = search_of(shape)
    search.run()
    assert search.counts.is_complete
    return search


def turns_of(search: Search) -> str:
    """Everything that was said of any turn."""
    told: set[str] = set()
    for moves in {id(moves): moves for moves in search.moves}.values():
        told.update(change.text for change in moves.all_changes())
    return "\n".join(told)


@pytest.fixture(scope="module")
def worlds() -> dict[str, Search]:
    with small_budgets():
        return {name: searched(shape) for name, (shape, _) in STATES.items()}


@pytest.mark.parametrize("name", STATES)
def test_no_promise_is_broken_in_any_order(name: str, worlds: dict[str, Search]) -> None:
    assert worlds[name].counts.states == STATES[name][1]


@pytest.mark.parametrize("name", STATES)
def test_a_live_worker_can_end_every_job_from_wherever_it_is(name: str, worlds: dict[str, Search]) -> None:
    with small_budgets():
        assert check_survivors(worlds[name]) > len(worlds[name].folders)


def test_the_worlds_come_to_all_that_the_promises_speak_of(worlds: dict[str, Search]) -> None:
    """Promises over worlds in which nothing happens would hold too."""
    told = "\n".join(map(turns_of, worlds.values()))
    assert [event for event in EVENTS if event not in told] == []


def test_a_search_that_was_cut_goes_on_from_its_file(tmp_path: Path) -> None:
    shape = Shape(attempts=2, faults=0, spare_sessions=0, sessions=1, commands=(1,))
    with small_budgets():
        whole = searched(shape)
        cut = search_of(shape)
        while cut.counts.states < whole.counts.states // 2:
            cut.run(layers=1)
        save(cut, tmp_path / "search")
        again = search_of(shape)
        load(again, tmp_path / "search")
        again.run()
    assert again.counts.states == whole.counts.states


# --- what is left out of the states is left out rightly --------------------------------------------------------------


def ends_of(search: Search) -> set[tuple[object, ...]]:
    """What the jobs' registers hold, whoever put it there, over all folders that were reached."""
    files = search.files
    places = [place for place, path in enumerate(files.paths) if "/log/" in path or "/done/" in path]
    return {tuple(_held(files, place, folder[place]) for place in places) for folder in search.folders.values}


def _held(files: Files, place: int, file: int) -> object:
    path = files.paths[place]
    if not file or "/done/" in path:
        return bool(file)
    if path.endswith(".void"):
        return files.is_fresh(file)
    return files.kind(file) if path.endswith(".end") else "claim"


@pytest.mark.parametrize(("commands", "faults"), [((), 1), ((1,), 0)])
def test_the_reduced_world_reaches_the_folders_of_the_whole_one(commands: tuple[int, ...], faults: int) -> None:
    """The whole one takes every request for a turn, keeps what was listed, and all names."""
    small = Shape(attempts=2, faults=faults, spare_sessions=0, sessions=1, commands=commands)
    with small_budgets():
        reduced, whole = searched(small), searched(replace(small, is_reduced=False, remembers=True))
    assert ends_of(whole) == ends_of(reduced)
    assert whole.counts.states > reduced.counts.states
