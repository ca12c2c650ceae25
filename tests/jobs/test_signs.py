"""Sessions as a look at them shows them; what makes one silent is told with the snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import layout
from jobs.sessions import encode_note
from jobs.signs import Sessions
from tests.jobs.registers import Root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def test_only_an_unknown_session_makes_it_look_again(root: Root) -> None:
    known = root.session()
    sessions = Sessions(root.path)
    later = root.session()
    sessions.meet([known])
    assert set(sessions.open()) == {known.sid}
    root.end_session(known)
    sessions.meet([known, later])
    assert set(sessions.open()) == {later.sid}
    assert sessions.of(known).is_ended


def test_sessions_that_are_over_are_heard_while_their_notes_last(root: Root) -> None:
    who = [root.session() for _ in range(6)]
    for number, one in enumerate(who):
        root.write(layout.session_note(one.sid), encode_note({"host": f"host{number}"}))
        if number:
            root.end_session(one)
    (root.path / layout.session_note(who[1].sid)).unlink()
    over = Sessions(root.path).over([who[4].sid, who[1].sid, who[0].sid], 3)
    assert list(over) == [who[4].sid, who[2].sid, who[3].sid]
    assert [state.note["host"] for state in over.values()] == ["host4", "host2", "host3"]


def test_what_filelock_and_workers_leave_there_is_no_stranger(root: Root) -> None:
    who = root.session()
    ours = [f"{who.sid}.json.new", "cmd.0123.b", ".nfs000012", f"{who.sid}.lease.x"]
    for name in [*ours, "README", "x.json"]:
        root.write(f"{layout.SESSIONS}/{name}", b"")
    assert sorted(Sessions(root.path).strangers) == [f"{layout.SESSIONS}/{name}" for name in ("README", "x.json")]
