"""The verbs while real workers work: what they come to, told by the order of events."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

from jobs import layout
from jobs.records import End
from tests.orchestrator.scene import WORKER, Scene, Started, grid
from tests.orchestrator.waiting import wait_until

ONE = (*WORKER, "--slots", "1", "--keep-alive")


def append(*values: int, **policy: Any) -> str:
    return grid(kind="call", target="deeds:append", params__i=list(values), **policy)


def two_workers(scene: Scene, lease_seconds: float = 3) -> list[Started]:
    env = {"ORCH_LEASE_SECONDS": str(lease_seconds)}
    return [scene.start(*ONE, env=env) for _ in range(2)]


def all_done(scene: Scene, *experiments: str) -> Callable[[], bool]:
    return lambda: all(kinds[-1:] == ["done"] for name in experiments for kinds in scene.kinds(name).values())


def sessions(scene: Scene) -> list[str]:
    return sorted(path.stem for path in (scene.root / layout.SESSIONS).glob("*.lease"))


class Beats:
    """How often leases were refreshed since this began; as often as one looks, at the least."""

    def __init__(self, scene: Scene, *sids: str) -> None:
        self.paths = [scene.root / layout.lease(sid) for sid in sids]
        self.last = {path: path.stat().st_mtime_ns for path in self.paths}
        self.counts = dict.fromkeys(self.paths, 0)

    def look(self) -> int:
        """The fewest beats of any of them."""
        for path in self.paths:
            if (now := path.stat().st_mtime_ns) != self.last[path]:
                self.last[path] = now
                self.counts[path] += 1
        return min(self.counts.values())


def wait_for_beats(scene: Scene, count: int) -> None:
    """Let every worker beat so often, so that it has seen what was there before."""
    beats = Beats(scene, *sessions(scene))
    wait_until(lambda: beats.look() >= count, f"{count} beats of every worker")


def statuses(scene: Scene) -> dict[str, dict[str, int]]:
    document = json.loads(scene.orch("status", "--json")[0])
    return {experiment["name"]: experiment["jobs"] for experiment in document["experiments"]}


def test_a_job_that_is_cancelled_while_it_runs_ends_within_two_beats(scene: Scene) -> None:
    scene.plan("calls", grid(kind="call", target="deeds:hang_once", params__i=[0]))
    scene.plan("programs", grid(kind="command", argv=["sh", "-c", "touch program-runs; sleep 300"]))
    workers = two_workers(scene, lease_seconds=6)
    scene.wait_for("call-hangs")
    scene.wait_for("program-runs")
    sids = [scene.claimer(name, scene.job(name), 1).sid for name in ("calls", "programs")]
    assert set(sids) == set(sessions(scene))

    def processes() -> list[str]:
        found = [line for worker in workers for line in worker.processes().values()]
        return [line for line in found if line.startswith("sleep ") or "program-runs" in line]

    assert len(processes()) == 3
    said, _ = scene.orch("cancel", "calls", "programs", "-y")
    beats = Beats(scene, *sids)
    assert said == "cancelled 2 jobs of calls and programs\n"
    assert [scene.end(name).kind for name in ("calls", "programs")] == [End.CANCELLED] * 2
    seen = wait_until(lambda: None if processes() else [beats.look()], "all that the jobs started is gone")
    assert seen[0] <= 2
    # The slots are free again, and what was cancelled is not tried again.
    scene.plan("next", append(1, 2))
    wait_until(all_done(scene, "next"), "the next jobs are done")
    assert statuses(scene)["calls"] == {**dict.fromkeys(statuses(scene)["calls"], 0), "total": 1, "cancelled": 1}
    for worker in workers:
        worker.process.send_signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [0, 0]
    for worker in workers:
        worker.wait_until_nothing_is_left()


def test_what_is_held_is_left_alone_by_live_workers_and_taken_up_after_its_release(scene: Scene) -> None:
    scene.plan("before", append(1, 2))
    two_workers(scene)
    wait_until(all_done(scene, "before"), "the workers work")
    scene.plan("held", append(10))
    wait_until(all_done(scene, "held"), "nothing is held yet")
    scene.orch("hold", "held", "-y")
    scene.orch("hold", "held", "--where", "params.i=10", "-y")
    wait_for_beats(scene, 2)
    scene.plan("held", append(10, 11, 12, 13))
    # Planned later, and done: whoever takes this has seen what was planned before it.
    scene.plan("after", append(3, 4, 5, 6))
    wait_until(all_done(scene, "after"), "what is not held is done")
    wait_for_beats(scene, 1)
    states = statuses(scene)["held"]
    assert (states["done"], states["blocked"], states["total"]) == (1, 3, 4)
    assert sorted(map(len, scene.kinds("held").values())) == [0, 0, 0, 1]
    held = json.loads(scene.orch("status", "--json")[0])["experiments"]
    reasons = {job["reason"] for one in held if one["name"] == "held" for job in one["blocked"]}
    assert len(reasons) == 1
    assert "orch release held" in reasons.pop()
    scene.orch("release", "held", "--where", "params.i=12", "-y")
    wait_until(lambda: "12" in scene.lines(), "the one that was released is done")
    assert not {"11", "13"} & set(scene.lines())
    scene.orch("release", "held", "-y")
    wait_until(all_done(scene, "held"), "all that was released is done")
    assert sorted(map(int, scene.lines())) == [1, 2, 3, 4, 5, 6, 10, 11, 12, 13]


def test_a_priority_decides_what_a_worker_takes_next(scene: Scene) -> None:
    scene.plan("gate", grid(kind="call", target="deeds:be_killed_once", params__i=[0]))
    worker = scene.start(*ONE, env={"ORCH_LEASE_SECONDS": "3"})
    scene.wait_for("runner-0")
    scene.plan("queue", append(1, 2, 3, 4, 5, 6))
    scene.plan("last", append(7))
    wait_for_beats(scene, 1)
    scene.orch("priority", "5", "queue", "--where", "params.i=4", "-y")
    scene.orch("priority", "-5", "queue", "--where", "params.i in (1, 2)", "-y")
    scene.orch("priority", "3", "last", "-y")
    wait_for_beats(scene, 2)
    (scene.folder / "go").touch()
    wait_until(all_done(scene, "gate", "queue", "last"), "all is done")
    order = list(map(int, scene.lines()))
    assert order[:2] == [4, 7]
    assert [set(order[2:5]), set(order[5:])] == [{3, 5, 6}, {1, 2}]
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_what_is_requeued_runs_again_and_status_adds_up(scene: Scene) -> None:
    scene.plan("good", append(1, 2, 3))
    scene.plan("bad", grid(kind="call", target="deeds:fail", params={"text": "no luck"}, max_attempts=1))
    two_workers(scene)

    def counts(name: str) -> dict[str, int]:
        found = statuses(scene)
        assert all(sum(jobs.values()) == 2 * jobs["total"] for jobs in found.values())
        return {state: count for state, count in found[name].items() if count}

    wait_until(lambda: counts("good") == {"total": 3, "done": 3}, "the good ones are done")
    wait_until(lambda: counts("bad") == {"total": 1, "failed": 1}, "the bad one has failed")
    assert scene.orch("requeue", "--state", "failed,done", "-y")[0] == "requeued 4 jobs of bad and good\n"
    wait_until(lambda: list(scene.kinds("good").values()) == 3 * [["done", "done"]], "the good ones are done again")
    wait_until(lambda: list(scene.kinds("bad").values()) == [["failed", "failed"]], "the bad one has failed again")
    assert counts("good") == {"total": 3, "done": 3}
    assert counts("bad") == {"total": 1, "failed": 1}
    assert sorted(map(int, scene.lines())) == [1, 1, 2, 2, 3, 3]
