"""Jobs that the kernel kills for want of memory are told from those that somebody killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.memory import OUT_OF_MEMORY
from tests.orchestrator.scene import WORKER, Scene, grid
from tests.orchestrator.waiting import wait_until

LIMIT_BYTES = 150 << 20
GREEDY = "b = bytearray(600 << 20); b[::4096] = b'x' * len(b[::4096])"
CONTROLLER = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A memory cgroup with little room; who writes its pid to `cgroup.procs` lives in it."""
    group = CONTROLLER / f"orch-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
    except OSError:
        pytest.skip("no memory cgroup can be made here")
    yield group

    def is_removed() -> bool:
        try:
            group.rmdir()
        except OSError:
            return False
        return True

    wait_until(is_removed, "the cgroup is empty")


@pytest.mark.parametrize("kind", ["command", "call"])
def test_a_job_that_outgrows_its_host_s_memory_ends_as_oom(scene: Scene, small_memory: Path, kind: str) -> None:
    (scene.folder / "greedy.py").write_text(f"def grow():\n    {GREEDY}\n")
    inside = ("sh", "-c", f'echo $$ > {small_memory}/cgroup.procs && exec "$@"', "sh")
    what = {"target": "greedy:grow"} if kind == "call" else {"argv": ["python", "-c", GREEDY]}
    scene.plan("greedy", grid(kind=kind, max_attempts=1, **what))
    scene.orch(*WORKER, "--slots", "1", before=inside, expect=1)
    end = scene.end("greedy")
    assert (end.kind.value, end.body["error"]) == ("oom", OUT_OF_MEMORY)


def test_a_job_that_somebody_kills_has_failed(scene: Scene) -> None:
    scene.plan("killed", grid(kind="command", argv=["sh", "-c", "kill -KILL $$"], max_attempts=1))
    scene.orch(*WORKER, "--slots", "1", expect=1)
    end = scene.end("killed")
    assert (end.kind.value, end.body["error"]) == ("failed", "signal SIGKILL")
