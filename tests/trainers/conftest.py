"""A data set that costs nothing to load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainers.data.trees import noisy_tree


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder data set `tiny` under ORCH_DATA, with a cache of its own; also seen by processes that tests start."""
    root = tmp_path_factory.mktemp("tiny")
    noisy_tree(root / "data" / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCH_DATA", str(root / "data"))
        patch.setenv("ORCH_CACHE", str(root / "cache"))
        yield root
