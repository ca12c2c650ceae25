"""Every order of requests and every accident of small worlds, searched to the end (see `checker`).

The numbers of states are exact: a guard that cuts a world short shows here. Where the protocol changes, they change.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.jobs.checker.files import Files
from tests.jobs.checker.keeping import load, save
from tests.jobs.checker.liveness import check_survivors
from tests.jobs.checker.naming import Naming, namings
from tests.jobs.checker.search import Search
from tests.jobs.checker.shape import Shape
from tests.jobs.checker.world import search_of, small_budgets

pytestmark = pytest.mark.timeout(900)  # a busy machine searches them all, only slower

# Two workers, one job, three attempts, an operator; three accidents, and any number of them. Then more of each: workers
# that go on in a new session, or are started again; a third worker; a second job, slot, operator, command.
FIRST: Final = Shape(faults=3, spare_sessions=0, sessions=1)
STATES: Final = {
    "three accidents": (FIRST, 76_168),
    "any number of accidents": (replace(FIRST, faults=None), 136_340),
    "restarted": (Shape(faults=1, spare_sessions=1, commands=()), 2_594),
    "lost": (Shape(attempts=2, faults=2, spare_sessions=1, commands=()), 3_877),
    "three workers": (replace(FIRST, workers=3, attempts=2, faults=1), 6_002),
    "two jobs": (replace(FIRST, jobs=2, attempts=2, faults=0), 7_069),
    "two slots": (replace(FIRST, slots=2, attempts=2, faults=1), 3_096),
    "two operators": (replace(FIRST, attempts=2, faults=1, commands=(1, 1)), 32_952),
    "two commands": (replace(FIRST, faults=0, commands=(2,)), 6_047),
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


def test_a_search_that_other_code_has_begun_is_not_taken_up(tmp_path: Path) -> None:
    """What that code has reached says nothing of this one."""
    shape = Shape(attempts=1, faults=0, spare_sessions=0, sessions=1, commands=())
    path = tmp_path / "search"
    save(search_of(shape), path)
    kept = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps(kept | {"code": "another"}))
    with pytest.raises(ValueError, match="was made by other code: remove it"):
        load(search_of(shape), path)


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
    """The whole one takes every request for a turn, keeps what was listed, all memories and all names."""
    small = Shape(attempts=2, faults=faults, spare_sessions=0, sessions=1, commands=commands)
    with small_budgets():
        reduced, whole = searched(small), searched(replace(small, is_reduced=False, remembers=True))
    assert ends_of(whole) == ends_of(reduced)
    assert whole.counts.states > reduced.counts.states


SMALL: Final = Shape(attempts=2, faults=1, spare_sessions=0, sessions=1)


@pytest.mark.parametrize("commands", [(), (1,)])
def test_a_simpler_memory_can_do_all_that_the_other_could_wherever_it_comes_to(commands: tuple[int, ...]) -> None:
    """The search proves it where it takes one for the other; here, of all folders that may follow."""
    with small_budgets():
        search = searched(replace(SMALL, commands=commands))
        left_out, proven = left_out_of(search), len(search.simpler.known)
        for key in list(search.pairs.place):
            mind, folder = search.minds.values[key >> 32], search.folders.values[key & 0xFFFFFFFF]
            for other, before in left_out.get(mind, ()):
                if may_follow(search.files, before, folder):
                    search.simpler.of(other, as_kept(before, folder))
    assert len(search.simpler.known) > proven


def left_out_of(search: Search) -> dict[object, list[tuple[object, bytes]]]:
    """The memories in whose place the search went on with a simpler one, and where, under all names of workers."""
    found: dict[object, list[tuple[object, bytes]]] = {}
    files, renamed = search.files, search.renamer.renamed
    same = Naming(tuple(range(files.shape.workers)), tuple(range(files.shape.jobs)))
    for (mind, registers), simpler in list(search.simpler.known.items()):
        folder = registers + bytes(len(files.paths) + 2 - len(registers))
        for naming in [same, *namings(files.shape)] if mind != simpler else []:
            found.setdefault(renamed(simpler, naming), []).append(
                (renamed(mind, naming), files.renamed(folder, naming)[: files.registers])
            )
    return found


def may_follow(files: Files, before: bytes, after: bytes) -> bool:
    """Whether all registers of one folder stand in the other, and say the same."""
    return all(
        not one or _held(files, place, one) == _held(files, place, other)
        for place, (one, other) in enumerate(zip(before, after, strict=False))
    )


def as_kept(before: bytes, after: bytes) -> bytes:
    """The later folder, with what the memory that was left out can still tell apart."""
    return bytes(one or other for one, other in zip(before, after, strict=False)) + after[len(before) :]


@pytest.mark.parametrize("commands", [(), (1,)])
def test_what_follows_from_a_memory_that_was_left_out_can_be_left_out_too(commands: tuple[int, ...]) -> None:
    with small_budgets():
        search = search_of(replace(SMALL, commands=commands))
        search.simpler.is_thorough = True
        search.run()
        quick = searched(replace(SMALL, commands=commands))
    assert len(search.simpler.known) > len(quick.simpler.known)
    assert search.counts.states == quick.counts.states
