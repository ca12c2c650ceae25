"""Many commands at once come to what they would have come to one by one, and are on disk when that is said."""

from __future__ import annotations

import errno
import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import layout
from jobs.records import End
from jobs.store import FolderStore, List, Make, Put, Read, Reply, Request, Sync, carry_out
from jobs.verbs import Answer, Cancel, Commanded, Requeue
from orchestrator.verbs.bulk import LINKS_A_FILE, Bulk, new_temp
from tests.jobs.registers import EXPERIMENT, Root


def in_one_shard(count: int) -> list[str]:
    ids = (f"job-{number}" for number in itertools.count())
    return list(itertools.islice((job for job in ids if layout.shard(job) == "00"), count))


JOBS = in_one_shard(5)
MANY = in_one_shard(LINKS_A_FILE + 1)
Command = type[Cancel] | type[Requeue]


class Watched(FolderStore):
    """A folder that notes what it was asked, and lets something happen after a request."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.requests: list[Request] = []
        self.after: Callable[[Request], None] = lambda _: None

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        self.requests.append(request)
        self.after(request)
        return reply

    def asked(self, kind: type[Request]) -> list[Request]:
        return [request for request in self.requests if isinstance(request, kind)]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    made = Root(tmp_path)
    made.plan(*MANY)
    return made


def do(store: FolderStore, command: Command, *jobs: str) -> list[Commanded]:
    bulk = Bulk(store)
    try:
        temp = new_temp()
        return bulk.carry_out([command(EXPERIMENT, job, temp) for job in jobs])
    finally:
        bulk.tidy()


# A job's history: how its attempts ended (None: it has not), and whether the last end is void.
HISTORIES = st.lists(st.sampled_from([End.DONE, End.FAILED, End.CANCELLED, End.EVICTED]), max_size=3).flatmap(
    lambda kinds: st.tuples(st.just(kinds), st.booleans(), st.booleans())
)


def live(root: Root, job: str, history: tuple[list[End], bool, bool]) -> None:
    kinds, is_open, is_void = history
    who = root.session()
    root.attempts(job, who, *kinds)
    if is_void and kinds:
        root.void(job, len(kinds))
    if is_open:
        root.claim(job, len(kinds) + 1, who)


@settings(max_examples=20, deadline=None)
@given(st.lists(HISTORIES, min_size=1, max_size=len(JOBS)), st.lists(st.sampled_from([Cancel, Requeue]), max_size=4))
def test_many_at_once_come_to_the_same_as_one_by_one(
    histories: list[tuple[list[End], bool, bool]], commands: list[Command]
) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        roots = [Root(Path(one)), Root(Path(other))]
        jobs = JOBS[: len(histories)]
        for root in roots:
            root.plan(*jobs)
            for job, history in zip(jobs, histories, strict=True):
                live(root, job, history)
        for command in commands:
            singly = [carry_out(command(EXPERIMENT, job, new_temp()), roots[0].store) for job in jobs]
            assert do(roots[1].store, command, *jobs) == singly
        assert registers(roots[0]) == registers(roots[1])
        assert private(roots[0]) == private(roots[1]) == set()


def registers(root: Root) -> dict[str, bytes]:
    """Every register, but for what is drawn at random."""
    files = (path for path in (root.path / EXPERIMENT / layout.LOG).glob("*/*"))
    return {path.name: path.read_bytes().split(b'"nonce"')[0] for path in files if path.suffix}


def private(root: Root) -> set[str]:
    """Private files of commands; those that the scene has made are numbered."""
    names = {path.name.removeprefix("cmd.") for path in (root.path / layout.TMP).glob("cmd.*")}
    return {name for name in names if not name.isdecimal()}


def test_a_shard_is_listed_and_synced_once_and_all_is_on_disk_at_the_end(root: Root) -> None:
    store = Watched(root.path)
    assert {result.answer for result in do(store, Cancel, *MANY[:200])} == {Answer.TAKEN}
    assert [len(store.asked(kind)) for kind in (List, Make, Put, Sync)] == [1, 1, 200, 1]
    assert isinstance(store.requests[-1], Sync)
    store.requests.clear()
    assert {result.answer for result in do(store, Requeue, *MANY[:200])} == {Answer.TAKEN}
    assert [len(store.asked(kind)) for kind in (List, Read, Make, Put, Sync)] == [2, 200, 1, 200, 1]
    assert [type(request) for request in store.requests[-2:]] == [Sync, List]


def test_a_private_file_bears_so_many_names_and_no_more_and_is_gone_afterwards(root: Root) -> None:
    store = Watched(root.path)
    results = do(store, Cancel, *MANY)
    assert {result.answer for result in results} == {Answer.TAKEN}
    assert len(store.asked(Make)) == 2
    ends = (root.path / EXPERIMENT / layout.LOG).glob("*/*.end")
    assert max(path.stat().st_nlink for path in ends) == LINKS_A_FILE
    assert private(root) == set()


def test_what_ends_meanwhile_is_listed_again_and_decided_again(root: Root) -> None:
    who = root.session()
    for job in JOBS:
        root.claim(job, 1, who)
    store = Watched(root.path)

    def one_ends(request: Request) -> None:
        if isinstance(request, List):
            store.after = lambda _: None
            root.end(JOBS[1], 1, End.DONE)
            root.end(JOBS[2], 1, End.FAILED)

    store.after = one_ends
    results = do(store, Cancel, *JOBS)
    taken = Commanded(Answer.TAKEN, 1)
    assert results == [taken, Commanded(Answer.IS_DONE, 1), Commanded(Answer.TAKEN, 2), taken, taken]
    assert len(store.asked(List)) == 2


def test_an_attempt_that_is_claimed_while_jobs_are_requeued_is_named(root: Root) -> None:
    who = root.session()
    for job in JOBS:
        root.attempts(job, who, End.FAILED)
    store = Watched(root.path)

    def one_is_claimed(request: Request) -> None:
        if isinstance(request, Put) and JOBS[3] in request.dst:
            root.claim(JOBS[3], 2, who)

    store.after = one_is_claimed
    results = do(store, Requeue, *JOBS)
    assert [result.meanwhile for result in results] == [(), (), (), (2,), ()]


def test_a_done_and_a_failed_job_in_one_go_get_voids_of_their_own(root: Root) -> None:
    who = root.session()
    root.attempts(JOBS[0], who, End.DONE)
    root.attempts(JOBS[1], who, End.FAILED)
    do(root.store, Requeue, *JOBS[:2])
    voids = [(root.path / layout.void(EXPERIMENT, job, 1)).read_bytes() for job in JOBS[:2]]
    assert [b'"fresh": true' in void for void in voids] == [True, False]


def failing_fsync(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == folder:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("command", [Cancel, Requeue])
def test_what_could_not_be_synced_is_not_said_to_stand(
    root: Root, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    who = root.session()
    root.attempts(JOBS[0], who, End.FAILED)
    failing_fsync(monkeypatch, root.path / layout.log_shard(EXPERIMENT, JOBS[0]))
    assert do(root.store, command, JOBS[0])[0].answer is Answer.UNKNOWN


def test_a_folder_that_takes_no_new_file_leaves_all_unknown(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def full(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", full)
    assert {result.answer for result in do(root.store, Cancel, *JOBS)} == {Answer.UNKNOWN}
