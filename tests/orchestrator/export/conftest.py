from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.orchestrator.export.finished import finish_experiment
from tests.orchestrator.scene import Scene


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once; whoever changes it must put it back."""
    scene = finish_experiment(tmp_path_factory.mktemp("finished"))
    yield scene
    scene.end_all()
