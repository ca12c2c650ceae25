"""What ended sessions and commands leave in the private folder goes after a day; what anybody may still need stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import layout
from jobs.records import End, decode_claimer, decode_end
from jobs.store import FolderStore
from orchestrator.session import Session, open_session
from orchestrator.sweeping import DAY_SECONDS, Sweeper
from orchestrator.watching import Watcher
from tests.jobs.clock import Clock
from tests.jobs.registers import Root


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = open_session(FolderStore(tmp_path))
    yield session
    session.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sweeper(session: Session, clock: Clock, old_seconds: float = DAY_SECONDS) -> Sweeper:
    return Sweeper(session.store, Watcher(FolderStore(session.store.root, clock), session.claimer, clock), old_seconds)


def temps(session: Session) -> set[str]:
    return {path.name for path in (session.store.root / layout.TMP).iterdir()}


def command_temp(session: Session, token: str, age_seconds: float) -> str:
    path = session.store.root / layout.command_temp(token)
    path.touch()
    made = path.stat().st_mtime
    os.utime(path, (made - age_seconds, made - age_seconds))
    return path.name


def test_only_what_ended_sessions_left_goes_and_their_claims_stay(session: Session, clock: Clock) -> None:
    past = open_session(session.store)
    claim = session.store.root / "claim"
    claim.hardlink_to(session.store.root / past.tickets.claim)
    before = temps(session)
    assert sweeper(session, clock, 0.0).sweep(session.tickets) == 0
    past.close()
    assert sweeper(session, clock).sweep(session.tickets) == 0, "it ended only now"
    assert sweeper(session, clock, 0.0).sweep(session.tickets) == 4
    assert temps(session) == {name for name in before if name.startswith(session.sid)}
    assert decode_claimer(claim.read_bytes()).sid == past.sid
    assert decode_end((session.store.root / layout.session_end(past.sid)).read_bytes()).kind is End.CLOSED


def test_what_a_command_left_goes_when_it_is_a_day_old(session: Session, clock: Clock) -> None:
    command_temp(session, "old", DAY_SECONDS + 10)
    young = command_temp(session, "young", DAY_SECONDS - 600)
    assert sweeper(session, clock).sweep(session.tickets) == 1
    assert {name for name in temps(session) if name.startswith("cmd.")} == {young}


def test_strangers_in_the_folder_stay(session: Session, clock: Clock) -> None:
    (session.store.root / layout.TMP / "notes.txt").touch()
    sweeper(session, clock, 0.0).sweep(session.tickets)
    assert "notes.txt" in temps(session)


def test_a_session_that_owns_nothing_and_is_silent_for_a_day_is_ended(session: Session, clock: Clock) -> None:
    root = Root(session.store.root)
    silent, beating = (root.session(host="elsewhere", lease_seconds=20.0) for _ in range(2))
    sweeping = sweeper(session, clock)
    ends = {who.sid: session.store.root / layout.session_end(who.sid) for who in (silent, beating)}
    began = clock.now
    while not ends[silent.sid].exists():
        os.utime(session.store.root / layout.lease(beating.sid))
        sweeping.sweep(session.tickets)
        clock.now += 3600.0
        assert clock.now < began + 3 * DAY_SECONDS
    assert clock.now - began >= DAY_SECONDS
    assert decode_end(ends[silent.sid].read_bytes()).body["by"] == session.sid
    assert not ends[beating.sid].exists()
    assert not (session.store.root / layout.lease(silent.sid)).exists()
