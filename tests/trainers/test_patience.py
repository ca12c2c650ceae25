"""What is tried again, how long, and what ends the wait."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest

from tests.trainers.waits import UNREADABLE, at_first_wait, make_unreadable
from trainers.errors import FolderAwayError, Preempted
from trainers.patience import ONE_TRY, Patience
from trainers.stopping import StopRequest


def test_it_is_tried_until_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    with at_first_wait(make_unreadable(path)) as lines:
        assert Patience(60).retry("the disk", path.read_bytes) == b"content"
    assert len(lines) == 1
    assert lines[0].startswith("waiting for the disk: [Errno 5] Input/output error; next try in 1 s, for ")


def test_the_wait_ends_and_says_what_was_waited_for() -> None:
    with pytest.raises(FolderAwayError, match=r"waited 0 s in vain for the disk: \[Errno 5\]") as caught:
        Patience(0.1).retry("the disk", UNREADABLE.read_bytes)
    assert caught.value.errno == errno.EIO


def test_without_patience_the_error_is_what_it_was() -> None:
    with pytest.raises(OSError, match="Input/output error") as caught:
        ONE_TRY.retry("the disk", UNREADABLE.read_bytes)
    assert type(caught.value) is OSError


def test_what_does_not_pass_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Patience(3600).retry("a file", (tmp_path / "none").read_bytes)


@pytest.mark.parametrize("is_deferred", [False, True])
def test_a_signal_ends_the_wait(is_deferred: bool) -> None:
    stop = StopRequest()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    stop.install()
    if is_deferred:
        stop.defer()
    try:
        with at_first_wait(lambda: signal.raise_signal(signal.SIGTERM)), pytest.raises(Preempted):
            Patience(3600, lambda: stop.is_set).retry("the disk", UNREADABLE.read_bytes)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
