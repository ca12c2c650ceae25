from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import layout
from jobs.errors import HostUnfitError
from jobs.process import is_gone
from jobs.records import End, decode_claimer, decode_end
from jobs.sessions import CLAIMS_PER_TICKET, Standing
from jobs.store import FolderStore
from orchestrator.session import Session, open_session
from tests.jobs.full_disk import full_disk


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


@pytest.fixture
def session(store: FolderStore) -> Iterator[Session]:
    session = open_session(store)
    yield session
    session.close()


def lease(session: Session) -> Path:
    return session.store.root / layout.lease(session.sid)


def end(session: Session) -> Path:
    return session.store.root / layout.session_end(session.sid)


def evict(session: Session) -> None:
    """What a watcher does."""
    os.link(session.store.root / session.tickets.evicted, end(session))
    lease(session).unlink()


def test_an_open_session_has_a_lease_and_tickets_that_say_who_it_is(session: Session) -> None:
    assert lease(session).is_file()
    written = decode_claimer((session.store.root / session.tickets.claim).read_bytes())
    assert written == session.claimer
    assert not is_gone(written, session.claimer)
    assert session.look() is Standing.GOOD
    assert not session.is_suspect


def test_two_sessions_of_one_process_do_not_meet(store: FolderStore, session: Session) -> None:
    other = open_session(store, past=frozenset({session.sid}))
    assert other.sid != session.sid
    assert other.me(frozenset()).past == {session.sid}
    other.close()
    assert (end(other).exists(), end(session).exists()) == (True, False)
    assert lease(session).is_file()


def test_a_session_is_closed_before_its_lease_goes(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session(store)
    stood: list[bool] = []
    real = os.link

    def link(source: str, target: str) -> None:
        stood.append(lease(session).exists())
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    session.close()
    assert stood == [True]
    assert decode_end(end(session).read_bytes()).kind is End.CLOSED
    assert not lease(session).exists()


def test_a_session_that_cannot_be_closed_leaves_its_lease_standing_and_still(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_LEASE_SECONDS", "90")
    others = set(threading.enumerate())
    session = open_session(store)

    def no_reply(source: str, target: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), source, None, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", no_reply)
        session.close()
    assert lease(session).is_file()
    assert not end(session).exists()
    assert set(threading.enumerate()) == others
    session.close()
    assert end(session).exists()


def test_a_session_that_a_watcher_ended_is_lost_and_closing_it_harms_nobody(session: Session) -> None:
    evict(session)
    assert session.look() is Standing.LOST
    in_its_place = lease(session)
    in_its_place.write_bytes(b"another watcher's ticket")
    session.close()
    assert in_its_place.read_bytes() == b"another watcher's ticket"
    assert decode_end(end(session).read_bytes()).kind is End.EVICTED


def test_a_look_that_fails_proves_nothing(session: Session) -> None:
    sessions, away = session.store.root / layout.SESSIONS, session.store.root / "away"
    before = session.last_good
    sessions.rename(away)
    sessions.write_bytes(b"")
    assert session.look() is Standing.UNSEEN
    assert session.last_good == before
    sessions.unlink()
    away.rename(sessions)


def test_a_session_is_suspect_once_it_was_not_seen_for_two_thirds_of_its_lease(session: Session) -> None:
    seen, lease_seconds = [], session.claimer.lease_seconds
    for since_last_look in (lease_seconds * 2 / 3 - 5, lease_seconds * 2 / 3 + 1):
        session.look()
        session.last_good -= since_last_look
        seen.append(session.is_suspect)
    assert seen == [False, True]


def test_tickets_are_made_anew_before_a_file_has_too_many_links(session: Session) -> None:
    first = session.tickets
    for _ in range(CLAIMS_PER_TICKET - 1):
        session.count_claim()
    assert session.tickets == first
    session.count_claim()
    assert session.tickets != first
    for path in (first.claim, session.tickets.claim):
        assert decode_claimer((session.store.root / path).read_bytes()) == session.claimer
    assert session.me(frozenset()).claim == session.tickets.claim


def test_a_set_of_tickets_that_could_only_be_made_in_part_does_not_stand_in_the_way_of_the_next(
    session: Session,
) -> None:
    first = session.tickets
    (session.store.root / layout.ticket(session.sid, "released0001")).write_bytes(b"")
    for _ in range(CLAIMS_PER_TICKET):
        session.count_claim()
    assert session.tickets == first
    for _ in range(CLAIMS_PER_TICKET):
        session.count_claim()
    assert session.tickets != first


def test_what_it_says_of_itself_is_replaced_whole(session: Session) -> None:
    for number in range(3):
        session.write_note({"jobs": [number]})
    path = session.store.root / layout.session_note(session.sid)
    assert json.loads(path.read_text()) == {"jobs": [2]}
    with full_disk():
        session.write_note({"jobs": ["x"]})
    assert json.loads(path.read_text()) == {"jobs": [2]}


def test_a_root_that_takes_no_session_is_unfit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HostUnfitError, match="--root"):
        open_session(FolderStore(tmp_path / "file"))
