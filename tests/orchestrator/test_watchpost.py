"""The watch goes on whatever the worker's own thread is busy with, and does not break off unheard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs import layout
from jobs.records import Claimer
from jobs.store import FolderStore, Reply, Request
from orchestrator.watching import Watcher
from orchestrator.watchpost import WatchPost
from tests.jobs.registers import Root
from tests.orchestrator.waiting import wait_until


class BrokenStore(FolderStore):
    def answer(self, request: Request) -> Reply:
        raise RuntimeError("out of the blue")


@pytest.fixture
def me(root: Root) -> Claimer:
    return root.session()


@pytest.fixture
def other(root: Root) -> Claimer:
    return root.session(host="elsewhere", lease_seconds=1.0)


@pytest.fixture
def post(root: Root, me: Claimer) -> Iterator[WatchPost]:
    made = WatchPost(Watcher(FolderStore(root.path), me))
    made.start()
    yield made
    made.stop()


def test_a_silent_session_is_ended_while_the_worker_is_busy_with_other_things(
    root: Root, post: WatchPost, me: Claimer, other: Claimer
) -> None:
    assert post.exchange({other.sid: other}, root.tickets(me).evicted, me) == set()
    wait_until((root.path / layout.session_end(other.sid)).exists, "the session has an end")
    evicted = root.tickets(me).evicted
    assert wait_until(lambda: post.exchange({}, evicted, me), "the worker is told") == {other.sid}


def test_a_watch_that_broke_off_is_not_passed_over(root: Root, me: Claimer, other: Claimer) -> None:
    post = WatchPost(Watcher(BrokenStore(root.path), me))
    post.start()
    evicted = root.tickets(me).evicted
    post.exchange({other.sid: other}, evicted, me)
    with pytest.raises(RuntimeError, match="broke off"):
        wait_until(lambda: post.exchange({other.sid: other}, evicted, me), "the watch breaks off")
    post.stop()
