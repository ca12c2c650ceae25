"""What a worker does while there is room for some jobs and not for others, and with a plan that it cannot read."""

from __future__ import annotations

from jobs import layout
from tests.orchestrator.scene import WORKER, Scene, grid
from tests.orchestrator.waiting import wait_until

# A driver that knows of one GPU.
DRIVER = """
class NVMLError(Exception): pass
def nvmlInit(): pass
def nvmlShutdown(): pass
def nvmlDeviceGetCount(): return 1
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetUUID(index): return f"GPU-{index}"
def nvmlDeviceGetName(index): return "Card"
"""


def test_jobs_that_wait_for_a_gpu_let_others_pass(scene: Scene) -> None:
    (scene.folder / "pynvml.py").write_text(DRIVER)
    gpu_jobs = list(range(400))  # more than a worker looks at when it picks
    scene.plan("gpu", grid(kind="call", target="deeds:hold", params__i=gpu_jobs, resources={"gpus": 1}, priority=5))
    scene.plan("cpu", grid(kind="call", target="deeds:append", params__i=[1000, 1001, 1002]))
    worker = scene.start("worker", "--gpus", "all", "--slots", "1", "--max-jobs", "5")
    wait_until(lambda: list(scene.kinds("cpu").values()) == 3 * [["done"]], "all is done that needs no GPU")
    wait_until(lambda: len(scene.lines()) == 4, "one has the GPU")
    (first,) = {int(line) for line in scene.lines()} - {1000, 1001, 1002}
    (scene.folder / f"go-{first}").touch()
    wait_until(lambda: len(scene.lines()) == 5, "another has the GPU")
    (scene.folder / f"go-{scene.lines()[-1]}").touch()
    assert worker.wait() == 0
    assert sorted(scene.kinds("gpu").values())[-3:] == [[], ["done"], ["done"]]


def test_a_plan_of_a_newer_orch_is_told_once_and_the_rest_is_done(scene: Scene) -> None:
    scene.plan("newer", grid(kind="call", target="deeds:append", params__i=[1, 2]))
    (scene.root / layout.plan_file("newer", 2)).write_text('a-1\t{"schema":2}\n')
    scene.plan("known", grid(kind="call", target="deeds:append", params__i=[3, 4]))
    said, _ = scene.orch(*WORKER, "--slots", "1")
    assert sorted(scene.lines()) == ["3", "4"]
    told = "newer/plan/000002.jsonl: a plan of schema 2, and this orch reads 1"
    first, last = (line for line in said.splitlines() if line.startswith(told))
    assert first == last == said.splitlines()[-1]
