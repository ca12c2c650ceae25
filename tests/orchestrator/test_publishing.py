from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from jobs import layout
from jobs.errors import HostUnfitError
from jobs.queue import Published
from jobs.records import Claimer, End, EndRecord, decode_end
from orchestrator.publishing import Outbox, Pending
from tests.jobs.clock import Clock
from tests.jobs.full_disk import full_disk
from tests.jobs.lost_links import failing
from tests.jobs.registers import EXPERIMENT, Root

END = layout.end(EXPERIMENT, "a-1", 1)
MARKER = layout.done_marker(EXPERIMENT, "a-1", 1)
RESULT = layout.result_link(EXPERIMENT, "a-1")


@pytest.fixture
def who(root: Root) -> Claimer:
    who = root.session()
    root.claim("a-1", 1, who)
    return who


@pytest.fixture
def outbox(root: Root, clock: Clock) -> Outbox:
    return Outbox(root.store, clock)


def pending(root: Root, who: Claimer, kind: End = End.DONE) -> Pending:
    folder = layout.attempt_folder(EXPERIMENT, "a-1", 1, who.sid)
    record = EndRecord(kind, {"sid": who.sid, "nonce": "n", "folder": folder, "summary": {"loss": float("nan")}})
    return Pending(EXPERIMENT, "a-1", 1, record, folder.rpartition("/")[2], who.sid, root.tickets(who).released)


def end(root: Root) -> EndRecord:
    return decode_end((root.path / END).read_bytes())


def only_tickets(root: Root, who: Claimer) -> bool:
    """Whether nothing is left in the private folder but the session's tickets."""
    names = {path.name for path in (root.path / layout.TMP).iterdir()}
    return names == {f"{who.sid}.{name}" for name in ("claim", "released", "evicted", "closed")}


def test_a_result_is_accepted_marked_and_shown(root: Root, who: Claimer, outbox: Outbox) -> None:
    sent = pending(root, who)
    assert outbox.send(sent) is Published.ACCEPTED
    assert end(root).body["sid"] == who.sid
    assert (root.path / MARKER).samefile(root.path / END)
    assert str((root.path / RESULT).readlink()) == sent.folder
    assert only_tickets(root, who)
    assert outbox.pending == []
    assert outbox.next_due() == float("inf")


@pytest.mark.parametrize("kind", [End.FAILED, End.OOM, End.NAN, End.PREEMPTED, End.RELEASED])
def test_another_end_is_neither_marked_nor_shown(root: Root, who: Claimer, outbox: Outbox, kind: End) -> None:
    assert outbox.send(pending(root, who, kind)) is Published.ACCEPTED
    assert end(root).kind is kind
    assert not (root.path / MARKER).exists()
    assert not (root.path / RESULT).is_symlink()
    assert only_tickets(root, who)


def test_where_another_end_stands_nothing_is_touched(root: Root, who: Claimer, outbox: Outbox) -> None:
    root.end("a-1", 1, End.CANCELLED)
    assert outbox.send(pending(root, who)) is Published.SUPERSEDED
    assert end(root).kind is End.CANCELLED
    assert not (root.path / MARKER).exists()
    assert outbox.pending == []


def test_a_put_that_raises_is_tried_once_more_as_the_worker_leaves(
    root: Root, who: Claimer, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = pending(root, who)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", failing(errno.EROFS, takes_effect=False))
        with pytest.raises(HostUnfitError):
            outbox.send(sent)
    assert outbox.retry(at_once=True) == [(sent, Published.ACCEPTED)]
    assert (end(root).kind, outbox.pending) == (End.DONE, [])


def test_a_full_disk_is_tried_again_ever_more_rarely(root: Root, who: Claimer, outbox: Outbox, clock: Clock) -> None:
    sent = pending(root, who)
    waits = []
    with full_disk():
        assert outbox.send(sent) is Published.UNKNOWN
        assert "too large" in sent.problem
        for _ in range(7):
            waits.append(outbox.next_due() - clock.now)
            assert outbox.retry() == []
            clock.now += waits[-1]
            assert outbox.retry() == []
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    clock.now += 30
    assert outbox.retry() == [(sent, Published.ACCEPTED)]
    assert (end(root).kind, outbox.pending) == (End.DONE, [])
    assert only_tickets(root, who)


def test_a_disk_that_is_full_for_an_hour_releases_the_attempt_and_that_is_told(
    root: Root, who: Claimer, outbox: Outbox, clock: Clock
) -> None:
    sent = pending(root, who)
    with full_disk():
        outbox.send(sent)
        clock.now += 3599
        assert outbox.retry() == []
        clock.now += 60
        assert outbox.retry() == [(sent, Published.ACCEPTED)]
    assert end(root).kind is End.RELEASED
    # Whoever settles this must not take it for done.
    assert (sent.record.kind, sent.folder) == (End.RELEASED, None)
    assert "could not be written" in str(sent.record.body["error"])
    assert not (root.path / MARKER).exists()
    assert only_tickets(root, who)


def test_a_put_of_unknown_outcome_is_repeated_from_the_same_file(
    root: Root, who: Claimer, outbox: Outbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = pending(root, who)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", _no_reply)
        assert outbox.send(sent) is Published.UNKNOWN
    temp = sent.temp
    assert temp
    clock.now += 60
    assert outbox.retry() == [(sent, Published.ACCEPTED)]
    assert sent.temp == temp
    assert end(root).kind is End.DONE


def _no_reply(source: str, target: str) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO), source, None, target)


def test_a_private_file_that_was_swept_is_made_again(root: Root, who: Claimer, outbox: Outbox, clock: Clock) -> None:
    sent = pending(root, who)
    sent.temp = layout.ticket(who.sid, "swept")
    assert outbox.send(sent) is Published.ACCEPTED
    assert end(root).kind is End.DONE


def put_then_lose(root: Root, outbox: Outbox, sent: Pending, patch: pytest.MonkeyPatch) -> None:
    """The end is put, the folder cannot be synced, and then the private file is swept."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == root.path / layout.log_shard(EXPERIMENT, "a-1"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    with patch.context() as broken:
        broken.setattr(os, "fsync", fsync)
        assert outbox.send(sent) is Published.UNKNOWN
    (root.path / sent.temp).unlink()


def test_my_own_end_is_known_again_after_its_private_file_was_swept(
    root: Root, who: Claimer, outbox: Outbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = pending(root, who)
    put_then_lose(root, outbox, sent, monkeypatch)
    clock.now += 60
    assert outbox.retry() == [(sent, Published.ACCEPTED)]
    assert (root.path / MARKER).samefile(root.path / END)
    assert str((root.path / RESULT).readlink()) == sent.folder


def test_anothers_end_after_a_put_of_unknown_outcome_is_theirs(
    root: Root, who: Claimer, outbox: Outbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = pending(root, who)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", _no_reply)
        outbox.send(sent)
    root.end("a-1", 1, End.EVICTED)
    clock.now += 60
    assert outbox.retry() == [(sent, Published.SUPERSEDED)]
    assert not (root.path / MARKER).exists()


def test_only_what_is_due_is_tried(
    root: Root, who: Claimer, outbox: Outbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.claim("b-2", 1, who)
    first = pending(root, who)
    second = pending(root, who)
    second.job = "b-2"
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", _no_reply)
        outbox.send(first)
        clock.now += 1
        outbox.send(second)
        assert outbox.next_due() == first.not_before <= clock.now < second.not_before
    assert outbox.retry() == [(first, Published.ACCEPTED)]
    assert outbox.pending == [second]


def test_a_folder_that_became_read_only_is_unfit(
    root: Root, who: Claimer, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(HostUnfitError, match="Read-only"):
        outbox.send(pending(root, who))
