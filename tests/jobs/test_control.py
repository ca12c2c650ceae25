"""The control log: one order for all readers, whoever writes, however late a listing is."""

from __future__ import annotations

import errno
import itertools
import json
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import layout
from jobs.control import Command, ControlLog, Verb, add_command, decode_command
from jobs.errors import HostUnfitError, InputError
from jobs.store import FolderStore, List, Make, Put, Reply, Request, Sync, Won
from tests.jobs.lost_links import failing

JOBS = ("a-1", "b-2", "c-3")
WRITERS, EACH = 2, 40


class LateStore(FolderStore):
    """A folder whose listings miss the names in `hidden`."""

    hidden: frozenset[str] = frozenset()

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        if isinstance(request, List) and isinstance(reply, tuple):
            return tuple(name for name in reply if name not in self.hidden)
        return reply


def said(verb: Verb, *jobs: str, experiment: str = "e", priority: int | None = None) -> Command:
    return Command(verb, experiment, frozenset(jobs) or None, priority)


def read(root: Path) -> ControlLog:
    log = ControlLog()
    log.refresh(FolderStore(root))
    return log


def put(root: Path, *commands: Command) -> None:
    for command in commands:
        add_command(FolderStore(root), command)


# --- what is read ---------------------------------------------------------------------------------------------------


def test_nothing_was_ever_said(tmp_path: Path) -> None:
    log = ControlLog()
    assert not log.refresh(FolderStore(tmp_path))
    assert (log.files, log.problem, log.is_held("e", "a-1"), log.priority("e", "a-1", 7)) == (0, "", False, 7)
    assert list(tmp_path.iterdir()) == []


def test_a_held_experiment_holds_what_is_planned_later_until_it_is_released(tmp_path: Path) -> None:
    put(tmp_path, said(Verb.HOLD))
    log = read(tmp_path)
    assert log.is_held("e", "planned-later")
    assert not log.is_held("other", "a-1")
    put(tmp_path, said(Verb.RELEASE))
    assert log.refresh(FolderStore(tmp_path))
    assert not log.is_held("e", "planned-later")
    assert not log.refresh(FolderStore(tmp_path))


def test_the_newest_word_on_a_job_or_its_experiment_decides(tmp_path: Path) -> None:
    put(tmp_path, said(Verb.HOLD), said(Verb.RELEASE, "a-1"))
    log = read(tmp_path)
    assert [log.held_as("e", job) for job in JOBS] == ["", "e", "e"]
    put(tmp_path, said(Verb.HOLD, "b-2", "a-1"))
    log.refresh(FolderStore(tmp_path))
    assert [log.held_as("e", job) for job in JOBS] == ["a-1", "b-2", "e"]
    put(tmp_path, said(Verb.RELEASE))
    log.refresh(FolderStore(tmp_path))
    assert [log.held_as("e", job) for job in JOBS] == ["", "", ""]


def test_a_priority_wins_over_the_plan_and_says_nothing_of_holds(tmp_path: Path) -> None:
    put(tmp_path, said(Verb.HOLD, "a-1"), said(Verb.PRIORITY, priority=5), said(Verb.PRIORITY, "b-2", priority=-3))
    log = read(tmp_path)
    assert [log.priority("e", job, 9) for job in JOBS] == [5, -3, 5]
    assert [log.is_held("e", job) for job in JOBS] == [True, False, False]
    put(tmp_path, said(Verb.PRIORITY, priority=0))
    log.refresh(FolderStore(tmp_path))
    assert [log.priority("e", job, 9) for job in JOBS] == [0, 0, 0]


def test_a_listing_that_misses_a_name_stops_there_and_goes_on_later(tmp_path: Path) -> None:
    put(tmp_path, said(Verb.HOLD), said(Verb.RELEASE), said(Verb.HOLD, "a-1"))
    store, log = LateStore(tmp_path), ControlLog()
    store.hidden = frozenset({"000002.json"})
    assert log.refresh(store)
    assert (log.files, log.is_held("e", "b-2")) == (1, True)
    store.hidden = frozenset()
    assert log.refresh(store)
    assert (log.files, log.is_held("e", "b-2"), log.is_held("e", "a-1")) == (3, False, True)


COMMANDS = st.builds(
    lambda verb, experiment, jobs, number: Command(verb, experiment, jobs, number if verb is Verb.PRIORITY else None),
    st.sampled_from(Verb),
    st.sampled_from(["e", "f"]),
    st.none() | st.frozensets(st.sampled_from(JOBS)),
    st.integers(-3, 3),
)


def naively(commands: Sequence[Command], experiment: str, job: str) -> tuple[bool, int]:
    """What was said last of a job, from all that was said."""
    about = [one for one in commands if one.experiment == experiment and (one.jobs is None or job in one.jobs)]
    holds = [one.verb for one in about if one.verb is not Verb.PRIORITY]
    return holds[-1:] == [Verb.HOLD], next((one.priority for one in reversed(about) if one.priority is not None), 9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), COMMANDS, st.frozensets(st.integers(1, 12))), max_size=12))
def test_whatever_order_two_writers_append_every_reader_folds_the_same(
    script: list[tuple[bool, Command, frozenset[int]]],
) -> None:
    """Each writer has a view of its own, and one reader looks after every command, through listings that miss names."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        writers = {True: LateStore(root), False: LateStore(root)}
        reader, log = LateStore(root), ControlLog()
        for who, command, hidden in script:
            for store in (writers[who], reader):
                store.hidden = frozenset(f"{number:06d}.json" for number in hidden)
            add_command(writers[who], command)
            log.refresh(reader)
            assert log.files <= len(list((root / layout.CONTROL).iterdir()))
        reader.hidden = frozenset()
        log.refresh(reader)
        commands = [command for _, command, _ in script]
        for each in (log, read(root)):
            assert each.files == len(script)
            for experiment in ("e", "f"):
                for job in JOBS:
                    told = (each.is_held(experiment, job), each.priority(experiment, job, 9))
                    assert told == naively(commands, experiment, job)
        assert list((root / layout.TMP).iterdir() if script else ()) == []


# --- who writes -----------------------------------------------------------------------------------------------------


def start_together(barrier: threading.Barrier) -> None:
    barrier.wait()


def add_many(root: Path, writer: int) -> list[int]:
    store = FolderStore(root)
    return [add_command(store, said(Verb.HOLD, f"w{writer}-{number}")) for number in range(EACH)]


def test_two_processes_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WRITERS)
    with ProcessPoolExecutor(WRITERS, context, start_together, (barrier,)) as pool:
        numbers = list(pool.map(add_many, [tmp_path] * WRITERS, range(WRITERS)))
    assert sorted(itertools.chain.from_iterable(numbers)) == list(range(1, WRITERS * EACH + 1))
    log = read(tmp_path)
    assert log.files == WRITERS * EACH
    assert all(log.is_held("e", f"w{writer}-{number}") for writer in range(WRITERS) for number in range(EACH))
    assert list((tmp_path / layout.TMP).iterdir()) == []


def test_what_was_said_reads_back_and_is_on_disk_before_the_number_is_told(tmp_path: Path) -> None:
    class Noting(FolderStore):
        requests: list[Request]

        def answer(self, request: Request) -> Reply:
            self.requests.append(request)
            return super().answer(request)

    store = Noting(tmp_path)
    store.requests = []
    command = said(Verb.PRIORITY, "b-2", "a-1", priority=-4)
    assert add_command(store, command) == 1
    assert decode_command((tmp_path / layout.control_file(1)).read_bytes()) == command
    assert json.loads((tmp_path / layout.control_file(1)).read_text()) == {
        "schema": 1, "verb": "priority", "experiment": "e", "jobs": ["a-1", "b-2"], "priority": -4,
    }  # fmt: skip
    assert [type(request) for request in store.requests] == [Make, List, Put, Sync]


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize("times", [1, 4])
def test_an_answer_that_is_lost_puts_the_command_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes_effect: bool, times: int
) -> None:
    put(tmp_path, said(Verb.HOLD))
    monkeypatch.setattr("jobs.control._PAUSE_SECONDS", 0)
    monkeypatch.setattr(os, "link", failing(errno.ETIMEDOUT, takes_effect=takes_effect, times=times))
    assert add_command(FolderStore(tmp_path), said(Verb.RELEASE)) == 2
    assert read(tmp_path).files == 2


def test_a_put_of_which_nothing_is_known_is_asked_again_by_its_own_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mute(FolderStore):
        silences = 3

        def answer(self, request: Request) -> Reply:
            reply = super().answer(request)
            if isinstance(request, Put) and self.silences:
                self.silences -= 1
                return Won.UNKNOWN
            return reply

    monkeypatch.setattr("jobs.control._PAUSE_SECONDS", 0)
    put(tmp_path, said(Verb.HOLD))
    assert add_command(Mute(tmp_path), said(Verb.RELEASE)) == 2
    assert read(tmp_path).files == 2


def test_a_folder_that_never_answers_is_unfit_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.control._PAUSE_SECONDS", 0)
    monkeypatch.setattr(os, "link", failing(errno.ETIMEDOUT, takes_effect=False, times=10_000))
    with pytest.raises(HostUnfitError, match="did not say whether it took the hold"):
        add_command(FolderStore(tmp_path), said(Verb.HOLD))
    assert read(tmp_path).files == 0
    assert list((tmp_path / layout.TMP).iterdir()) == []


# --- what is no command ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"schema": 2, "verb": "drain"}', ".orch/control/000002.json: it has schema 2, this orch knows 1"),
        ("", ".orch/control/000002.json: no command"),
        ("\x00\xff", "no command"),
        ("[" * 100_000, "no command"),
        ("[]", "no command"),
        ('{"verb": "hold", "experiment": "e", "jobs": null}', "no command"),
        ('{"schema": true, "verb": "hold", "experiment": "e", "jobs": null}', "no command"),
        ('{"schema": 1, "verb": "drain", "experiment": "e", "jobs": null}', "no command"),
        ('{"schema": 1, "verb": "hold", "experiment": "e", "jobs": "a-1"}', "no command"),
        ('{"schema": 1, "verb": "hold", "experiment": null, "jobs": null}', "no command"),
        ('{"schema": 1, "verb": "hold", "experiment": "e", "jobs": null, "priority": 3}', "no command"),
        ('{"schema": 1, "verb": "priority", "experiment": "e", "jobs": null}', "no command"),
        ('{"schema": 1, "verb": "priority", "experiment": "e", "jobs": null, "priority": "3"}', "no command"),
    ],
)
def test_a_register_that_is_none_stops_the_reading_and_takes_no_more_commands(
    tmp_path: Path, text: str, problem: str
) -> None:
    put(tmp_path, said(Verb.HOLD), said(Verb.RELEASE), said(Verb.HOLD, "a-1"))
    (tmp_path / layout.control_file(2)).write_text(text, encoding="latin-1")
    log = ControlLog()
    assert log.refresh(FolderStore(tmp_path))
    assert (log.files, log.is_held("e", "b-2")) == (1, True)
    assert problem in log.problem
    assert not log.refresh(FolderStore(tmp_path))
    with pytest.raises(InputError, match="000002"):
        put(tmp_path, said(Verb.RELEASE))
    assert len(list((tmp_path / layout.CONTROL).iterdir())) == 3


def test_a_register_that_is_mended_is_read_again(tmp_path: Path) -> None:
    put(tmp_path, said(Verb.HOLD))
    path = tmp_path / layout.control_file(1)
    path.rename(tmp_path / "kept")
    path.write_text("{}")
    log = read(tmp_path)
    assert log.problem
    (tmp_path / "kept").rename(path)
    assert log.refresh(FolderStore(tmp_path))
    assert (log.problem, log.is_held("e", "a-1")) == ("", True)


def test_what_people_keep_there_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path, said(Verb.HOLD))
    names = ["000000.json", "000002.json~", "02.json", "README", "0000002.json", ".000002.json.swp"]
    for name in names:
        (tmp_path / layout.CONTROL / name).write_text("mine")
    put(tmp_path, said(Verb.HOLD, "a-1"))
    log = read(tmp_path)
    assert (log.files, log.problem, log.strangers) == (2, "", sorted(names))
    assert all((tmp_path / layout.CONTROL / name).read_text() == "mine" for name in names)


def test_a_folder_that_cannot_be_listed_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, said(Verb.HOLD))
    log = read(tmp_path)

    def listdir(path: str) -> list[str]:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert not log.refresh(FolderStore(tmp_path))
    assert (log.files, log.is_held("e", "a-1")) == (1, True)
    put_anyway = add_command(FolderStore(tmp_path), said(Verb.RELEASE))
    assert put_anyway == 2
