"""Ten thousand jobs wait and every worker is busy: a dead one is still missed, and its jobs are the next that run."""

from __future__ import annotations

import pytest

from jobs import layout
from jobs.records import End
from tests.orchestrator.scene import WORKER, Scene, grid
from tests.orchestrator.test_worker_kills import UNSHARE, can_unshare
from tests.orchestrator.waiting import wait_until

WAITING = 10_000

in_a_namespace = pytest.param(
    UNSHARE, marks=pytest.mark.skipif(not can_unshare(), reason="this host permits no pid namespace of one's own")
)


def wait_for_line(scene: Scene, number: int) -> int:
    """The job that ran as the `number`-th."""
    wait_until(lambda: len(scene.lines()) >= number, f"{number} jobs have begun")
    return int(scene.lines()[number - 1])


@pytest.mark.parametrize("before", [(), in_a_namespace], ids=["its process is missed", "its lease is missed"])
def test_the_jobs_of_a_dead_worker_go_before_all_that_wait(scene: Scene, before: tuple[str, ...]) -> None:
    scene.plan("many", grid(kind="call", target="deeds:hold", params__i=list(range(WAITING))))
    victim = scene.start(*WORKER, "--slots", "2", before=before)
    left = {wait_for_line(scene, 1), wait_for_line(scene, 2)}
    ids = {spec.content["params"]["i"]: spec.id for spec in scene.jobs("many")}
    owner = scene.claimer("many", ids[min(left)], 1)
    survivors = [scene.start(*WORKER, "--slots", "1") for _ in range(2)]
    wait_for_line(scene, 4)
    victim.process.kill()
    wait_until((scene.root / layout.session_end(owner.sid)).exists, "a busy worker ends the dead one's session")
    assert scene.session_end(owner.sid).kind is End.EVICTED
    assert all(survivor.process.poll() is None for survivor in survivors)
    assert len(scene.lines()) == 4
    (scene.folder / f"go-{scene.lines()[2]}").touch()
    first = wait_for_line(scene, 5)
    (scene.folder / f"go-{first}").touch()
    assert {first, wait_for_line(scene, 6)} == left
