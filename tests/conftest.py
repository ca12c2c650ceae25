"""Fixtures of the tests over a real root."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.jobs.clock import Clock
from tests.jobs.registers import Root

# A shell starts what runs in the background deaf to Ctrl-C, and so would be every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()
