"""What whole commands import: those that should be quick load nothing heavy."""

from __future__ import annotations

import pytest

from tests.orchestrator.scene import WORKER, Scene, grid
from tests.test_imports import HEAVY

# Run by every Python that finds it: tells at the end what was loaded.
TELL = """
import atexit, os, sys

def tell():
    with open(os.environ["MODULES_FILE"], "w") as file:
        file.write("\\n".join(sorted(sys.modules)))

def leave(code, leave=os._exit):
    tell()
    leave(code)

atexit.register(tell)
os._exit = leave
"""


def loaded_by(scene: Scene, *words: str) -> set[str]:
    """What a command has imported when it ends."""
    (scene.folder / "sitecustomize.py").write_text(TELL)
    file = scene.folder / "modules.txt"
    scene.orch(*words, env={"MODULES_FILE": str(file)})
    return set(file.read_text().split())


@pytest.mark.parametrize("words", [("--help",), ("worker", "--help"), ("status",), ("status", "--json"), ("init",)])
def test_quick_commands_load_nothing_heavy(scene: Scene, words: tuple[str, ...]) -> None:
    scene.plan("some", grid(kind="call", target="deeds:append", params__i=[1, 2]))
    loaded = loaded_by(scene, *words)
    assert "orchestrator.cli" in loaded
    assert loaded & HEAVY == set()


def test_planning_loads_pydantic_and_nothing_else_that_is_heavy(scene: Scene) -> None:
    (scene.folder / "g.yaml").write_text("dataset: digits\nseed: [0, 1]\n")
    assert loaded_by(scene, "plan", "g.yaml") & HEAVY == {"pydantic"}


def test_a_worker_and_its_runner_load_nothing_heavy(scene: Scene) -> None:
    scene.plan("tell", grid(kind="call", target="deeds:modules"))
    worker = loaded_by(scene, *WORKER, "--slots", "1")
    assert "orchestrator.worker" in worker
    assert worker & HEAVY == set()
    runner = set(scene.end("tell").body["summary"]["value"])
    assert {"deeds", "orchestrator.line"} <= runner
    assert runner & (HEAVY | {"filelock", "click", "hashlib"}) == set()
    assert not {module for module in runner if module.startswith("jobs")}
