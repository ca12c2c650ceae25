from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from jobs import layout
from jobs.process import start_ticks
from jobs.records import Claimer, End, decode_end
from jobs.store import FolderStore
from orchestrator.watching import Watcher
from tests.jobs.clock import Clock
from tests.jobs.registers import Root

LEASE = 20.0
POLL = LEASE / 10


@pytest.fixture
def me(root: Root) -> Claimer:
    return root.session()


@pytest.fixture
def watcher(root: Root, clock: Clock, me: Claimer) -> Watcher:
    return Watcher(FolderStore(root.path, clock), me, clock)


@pytest.fixture
def other(root: Root) -> Claimer:
    return root.session(host="elsewhere", lease_seconds=LEASE)


def watch(watcher: Watcher, root: Root, *owners: Claimer) -> set[str]:
    return watcher.look({owner.sid: owner for owner in owners}, root.tickets(watcher.me).evicted)


def end_of(root: Root, who: Claimer) -> End | None:
    path = root.path / layout.session_end(who.sid)
    return decode_end(path.read_bytes()).kind if path.exists() else None


def beat(root: Root, who: Claimer) -> None:
    os.utime(root.path / layout.lease(who.sid))


def watch_until_ended(watcher: Watcher, root: Root, clock: Clock, *owners: Claimer) -> float:
    """Look at every poll; after how many seconds the first session was found to be over."""
    began = clock.now
    while not watch(watcher, root, *owners):
        clock.now += POLL
        assert clock.now < began + 10 * LEASE
    return clock.now - began


def test_a_silent_session_is_ended_at_its_own_lease_and_its_lease_file_removed(
    root: Root, watcher: Watcher, clock: Clock, other: Claimer
) -> None:
    assert watch_until_ended(watcher, root, clock, other) == LEASE
    assert end_of(root, other) is End.EVICTED
    assert not (root.path / layout.lease(other.sid)).exists()


def test_a_watcher_that_comes_a_little_early_each_time_looks_each_time(
    root: Root, watcher: Watcher, clock: Clock, other: Claimer
) -> None:
    began = clock.now
    while not watch(watcher, root, other):
        clock.now += POLL - 0.01
    assert clock.now - began < LEASE + POLL


def test_each_owner_is_given_the_lease_that_it_recorded(
    root: Root, watcher: Watcher, clock: Clock, other: Claimer
) -> None:
    patient = root.session(host="elsewhere", lease_seconds=2 * LEASE)
    assert watch_until_ended(watcher, root, clock, other, patient) == LEASE
    assert end_of(root, patient) is None
    assert LEASE + watch_until_ended(watcher, root, clock, patient) == 2 * LEASE


def test_a_session_that_beats_is_never_ended(root: Root, watcher: Watcher, clock: Clock, other: Claimer) -> None:
    for _ in range(30):
        assert watch(watcher, root, other) == set()
        clock.now += POLL
        beat(root, other)
    assert end_of(root, other) is None


def test_a_watcher_that_was_frozen_itself_counts_anew(
    root: Root, watcher: Watcher, clock: Clock, other: Claimer
) -> None:
    watch(watcher, root, other)
    clock.now += 1000 * LEASE
    assert watch(watcher, root, other) == set()
    assert watch_until_ended(watcher, root, clock, other) == LEASE


def test_a_folder_that_was_away_proves_nothing(root: Root, watcher: Watcher, clock: Clock, other: Claimer) -> None:
    for _ in range(9):
        watch(watcher, root, other)
        clock.now += POLL
    sessions, away = root.path / layout.SESSIONS, root.path / "away"
    sessions.rename(away)
    sessions.write_bytes(b"")
    assert watch(watcher, root, other) == set()
    clock.now += POLL
    sessions.unlink()
    away.rename(sessions)
    assert watch_until_ended(watcher, root, clock, other) == LEASE


def test_nobody_is_looked_at_much_more_often_than_once_a_poll(
    root: Root, watcher: Watcher, clock: Clock, other: Claimer
) -> None:
    watch(watcher, root, other)
    first = watcher.sightings[other.sid]
    clock.now += 0.7 * POLL
    assert watcher.next_due() == 1000.0 + POLL
    watch(watcher, root, other)
    assert watcher.sightings[other.sid] is first
    clock.now += 0.1 * POLL
    watch(watcher, root, other)
    assert watcher.sightings[other.sid].looked == clock.now


def test_a_vanished_lease_is_asked_for_by_a_put(root: Root, watcher: Watcher, other: Claimer) -> None:
    (root.path / layout.lease(other.sid)).unlink()
    assert watch(watcher, root, other) == {other.sid}
    assert end_of(root, other) is End.EVICTED
    assert not (root.path / layout.lease(other.sid)).exists()


def test_another_watchers_ticket_in_the_place_of_a_lease_is_no_sign_of_life(
    root: Root, watcher: Watcher, clock: Clock, other: Claimer
) -> None:
    """A watcher that died between its two puts; the owner of the ticket goes on linking it elsewhere."""
    third = root.session()
    lease = layout.lease(other.sid)
    (root.path / lease).unlink()
    root.put(root.tickets(third).evicted, lease)
    for number in range(9):
        assert watch(watcher, root, other) == set()
        clock.now += POLL
        root.put(root.tickets(third).evicted, f"elsewhere/{number}")
    assert watch_until_ended(watcher, root, clock, other) == LEASE - 9 * POLL


def test_a_session_that_ended_itself_is_over_and_its_lease_goes(root: Root, watcher: Watcher, other: Claimer) -> None:
    root.end_session(other, "closed")
    assert watch(watcher, root, other) == {other.sid}
    assert end_of(root, other) is End.CLOSED
    assert not (root.path / layout.lease(other.sid)).exists()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_a_killed_process_of_this_host_is_evicted_at_the_next_look_however_fresh_its_lease(
    root: Root, watcher: Watcher, me: Claimer, child: subprocess.Popen[bytes]
) -> None:
    owner = replace(root.session(), pid=child.pid, start=start_ticks(child.pid) or 0)
    assert watch(watcher, root, owner) == set()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    beat(root, owner)
    assert watch(watcher, root, owner) == {owner.sid}
    assert end_of(root, owner) is End.EVICTED


def test_one_that_is_no_longer_watched_is_counted_anew_when_it_comes_back(
    root: Root, watcher: Watcher, clock: Clock, other: Claimer
) -> None:
    for _ in range(9):
        watch(watcher, root, other)
        clock.now += POLL
    watch(watcher, root)
    assert watcher.next_due() == float("inf")
    assert watch_until_ended(watcher, root, clock, other) == LEASE


def test_many_sessions_are_looked_at_more_rarely(root: Root, watcher: Watcher, clock: Clock) -> None:
    owners = [root.session(host="elsewhere", lease_seconds=LEASE) for _ in range(65)]
    watch(watcher, root, *owners)
    assert watcher.next_due() == clock.now + 2 * POLL
