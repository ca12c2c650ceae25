"""Fixtures of the tests that run real workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrator.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A root of the test's own; what was started there is gone afterwards."""
    made = Scene(tmp_path)
    yield made
    made.end_all()


@pytest.fixture
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GPU locks of the test's own, so that it never meets a worker of this host."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
