"""Fixtures of the tests over a real root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.clock import Clock
from tests.jobs.registers import Root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()
