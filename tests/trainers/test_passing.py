"""Which errors of a folder pass by themselves."""

from __future__ import annotations

import errno
import os

import pytest

from trainers.passing import is_passing


@pytest.mark.parametrize("name", ["EIO", "ETIMEDOUT", "ESTALE", "ENOSPC", "EDQUOT", "ENOTCONN", "EHOSTDOWN"])
def test_a_server_that_is_away_and_a_disk_that_is_full_pass(name: str) -> None:
    assert is_passing(OSError(getattr(errno, name), os.strerror(getattr(errno, name))))


@pytest.mark.parametrize("name", ["EACCES", "EROFS", "ENOENT", "EFBIG", "ENAMETOOLONG", "EPIPE"])
def test_what_no_waiting_mends_does_not(name: str) -> None:
    assert not is_passing(OSError(getattr(errno, name), os.strerror(getattr(errno, name))))
    assert not is_passing(OSError("said by a library, without a number"))
