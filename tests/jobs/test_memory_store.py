"""One suite over the real folder and the one in memory: both keep the contract that operations rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.store import (
    ABSENT,
    Failed,
    FolderStore,
    List,
    Look,
    Make,
    Point,
    Put,
    Read,
    Reply,
    Request,
    Stamp,
    Store,
    Sync,
    Unlink,
    Won,
)
from tests.jobs.memory_store import Fault, MemoryStore

SCRIPT: list[tuple[Request, Reply]] = [
    (Read("e/x"), ABSENT),
    (Look("e/x"), ABSENT),
    (List("e"), ()),
    (Make("t/a", b"a"), None),
    (Make("t/b", b"b"), None),
    (Put("t/a", "e/x"), Won.MINE),
    (Put("t/b", "e/x"), Won.THEIRS),
    (Put("t/a", "e/x"), Won.MINE),
    (Put("t/c", "e/x"), Won.GONE),
    (Put("t/c", "e/y"), Won.GONE),
    (Put("t/b", "e/y"), Won.MINE),
    (Sync("e"), None),
    (Read("e/x"), b"a"),
    (Unlink("t/a"), None),
    (Unlink("t/a"), None),
    (Read("t/a"), ABSENT),
    (Read("e/x"), b"a"),
    (List("t"), ("b",)),
    (Point("e/link", "x"), None),
    (Point("e/link", "y"), None),
    (Point("e/link", None), None),
    (Point("e/link", None), None),
    (List("e"), ("x", "y")),
]


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_a_script_of_requests_has_the_same_replies(tmp_path: Path, kind: str) -> None:
    store: Store = FolderStore(tmp_path) if kind == "folder" else MemoryStore()
    for request, expected in SCRIPT:
        reply = store.answer(request)
        assert (tuple(sorted(reply)) if isinstance(reply, tuple) else reply) == expected, request
    assert isinstance(store.answer(Make("t/b", b"again")), Failed)
    stamps = [store.answer(Look(path)) for path in ("e/x", "e/y", "t/b")]
    assert [stamp.links for stamp in stamps if isinstance(stamp, Stamp)] == [1, 2, 2]


@pytest.mark.parametrize(("fault", "effect"), [(Fault.NO_REPLY, True), (Fault.NO_EFFECT, False), (Fault.HIDDEN, False)])
def test_faults_hide_what_became_of_a_put(fault: Fault, effect: bool) -> None:
    store = MemoryStore()
    store.answer(Make("a", b""))
    assert store.answer(Put("a", "x"), fault) is Won.UNKNOWN
    assert isinstance(store.answer(Read("x")), bytes) is effect
    assert store.answer(Put("a", "x")) is Won.MINE


def test_faults_hide_names_or_fail() -> None:
    store = MemoryStore()
    store.answer(Make("a", b""))
    assert store.answer(Read("a"), Fault.HIDDEN) is ABSENT
    assert isinstance(store.answer(Read("a"), Fault.NO_REPLY), Failed)
    assert isinstance(store.answer(List(""), Fault.NO_EFFECT), Failed)
