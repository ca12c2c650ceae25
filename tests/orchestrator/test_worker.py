"""Whole workers over a root: they share the work, wait for what others do, and know when to leave."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobs import layout
from jobs.records import End
from tests.orchestrator.scene import WORKER, Scene, grid
from tests.orchestrator.waiting import wait_until


def test_two_workers_started_together_do_every_job_once(scene: Scene) -> None:
    scene.plan("shared", grid(kind="call", target="deeds:meet", params={"parties": 2}, params__i=list(range(40))))
    both = [scene.start(*WORKER, "--slots", "1") for _ in range(2)]
    assert [worker.wait() for worker in both] == [0, 0]
    assert sorted(map(int, scene.lines())) == list(range(40))
    assert list(scene.kinds("shared").values()) == 40 * [["done"]]
    sids = {scene.claimer("shared", job.id, 1).sid for job in scene.jobs("shared")}
    assert len(sids) == 2
    for worker in both:
        worker.wait_until_nothing_is_left()
    assert {scene.session_end(sid).kind for sid in sids} == {End.CLOSED}
    assert not list((scene.root / layout.SESSIONS).glob("*.lease"))
    assert list((scene.folder / "tmp").iterdir()) == []


def test_done_work_is_not_done_again(scene: Scene) -> None:
    scene.plan("once", grid(kind="call", target="deeds:append", params__i=[1, 2]))
    scene.orch(*WORKER)
    said, _ = scene.orch(*WORKER)
    assert said.splitlines()[-1].endswith("leaves: nothing")
    assert sorted(scene.lines()) == ["1", "2"]


def test_a_worker_that_may_take_one_job_takes_one(scene: Scene) -> None:
    scene.plan("some", grid(kind="call", target="deeds:append", params__i=[1, 2, 3]))
    scene.orch(*WORKER, "--slots", "2", "--max-jobs", "1")
    assert len(scene.lines()) == 1
    scene.orch(*WORKER, "--slots", "2", "--max-jobs", "5")
    assert sorted(scene.lines()) == ["1", "2", "3"]


def test_priority_comes_first(scene: Scene) -> None:
    scene.plan("low", grid(kind="call", target="deeds:append", params__i=[1, 2], priority=-1))
    scene.plan("high", grid(kind="call", target="deeds:append", params__i=[5, 6], priority=3))
    scene.plan("mid", grid(kind="call", target="deeds:append", params__i=[3, 4]))
    scene.orch(*WORKER, "--slots", "1")
    order = list(map(int, scene.lines()))
    assert [set(order[:2]), set(order[2:4]), set(order[4:])] == [{5, 6}, {3, 4}, {1, 2}]


def test_a_worker_waits_for_a_job_that_runs_elsewhere_unless_it_is_to_leave_when_idle(scene: Scene) -> None:
    scene.plan("one", grid(kind="call", target="deeds:hang_once", params__i=[0]))
    first = scene.start(*WORKER, "--slots", "1")
    scene.wait_for("call-hangs")
    scene.orch(*WORKER, "--exit-when-idle")
    waiting = scene.start(*WORKER, "--slots", "1")
    sessions = scene.root / layout.SESSIONS
    wait_until(lambda: len(list(sessions.glob("*.json"))) == 3, "the other one works")
    first.process.kill()
    assert waiting.wait() == 0
    assert scene.kinds("one") == {scene.job("one"): ["evicted", "done"]}


def test_exit_when_idle_leaves_a_job_that_waits_after_a_failure(scene: Scene) -> None:
    scene.plan("bad", grid(kind="call", target="deeds:fail", params={"text": "no luck"}))
    said, _ = scene.orch(*WORKER, "--exit-when-idle")
    assert scene.kinds("bad") == {scene.job("bad"): ["failed"]}
    assert f"failed bad/{scene.job('bad')}: RuntimeError: no luck" in said


def test_keep_alive_stays_for_later_plans_and_ends_on_sigterm(scene: Scene) -> None:
    worker = scene.start(*WORKER, "--slots", "1", "--keep-alive")
    sessions = scene.root / layout.SESSIONS
    wait_until(lambda: list(sessions.glob("*.json")), "the worker works")
    for name in ("one", "two"):
        scene.plan(name, grid(kind="call", target="deeds:append"))
        wait_until(partial(_is_done, scene, name), f"{name} is done")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert "nothing is planned" in worker.said().splitlines()[1]
    assert "SIGTERM: no new jobs" in worker.said()


def _is_done(scene: Scene, experiment: str) -> bool:
    return scene.kinds(experiment) == {scene.job(experiment): ["done"]}


def test_a_job_waits_for_the_job_that_it_needs(scene: Scene) -> None:
    scene.plan("pair", grid(kind="call", target="deeds:append", params__i=[1]))
    needed = scene.job("pair")
    scene.plan("pair", grid(kind="call", target="deeds:append", params__i=[2], needs=[needed], priority=9))
    scene.orch(*WORKER, "--slots", "2")
    assert scene.lines() == ["1", "2"]


def test_what_needs_a_failed_job_fails_with_it_down_the_chain_and_keeps_no_worker(scene: Scene) -> None:
    scene.plan("chain", grid(kind="call", target="deeds:fail", params={"text": "no luck"}, max_attempts=1))
    names = [scene.job("chain")]
    for i in (1, 2):
        scene.plan("chain", grid(kind="call", target="deeds:append", params__i=[i], needs=[names[-1]]))
        names.append(scene.jobs("chain")[-1].id)
    scene.orch(*WORKER, expect=1)
    assert scene.lines() == []
    document = json.loads(scene.orch("status", "--json")[0])["experiments"][0]
    assert document["jobs"]["failed"] == document["jobs"]["total"] == 3
    failures = {failure["job"]: failure for failure in document["failures"]}
    assert failures[names[0]]["error"] == "RuntimeError: no luck"
    for job, needed in zip(names[1:], names, strict=False):
        assert failures[job]["error"] == f"needs {needed}, which failed for good"
        assert failures[job]["attempt"] == 0


def test_a_job_that_needs_one_that_is_not_planned_is_blocked_and_keeps_no_worker(scene: Scene) -> None:
    scene.plan("odd", grid(kind="call", target="deeds:append", needs=["never-planned-0123456789abcdef"]))
    scene.orch(*WORKER)
    document = json.loads(scene.orch("status", "--json")[0])["experiments"][0]
    assert document["jobs"]["blocked"] == document["jobs"]["total"] == 1
    assert scene.lines() == []


@pytest.mark.parametrize("kind", ["call", "command"])
def test_a_job_that_takes_longer_than_its_timeout_fails_with_that(scene: Scene, kind: str) -> None:
    what = {"target": "deeds:sleep_on"} if kind == "call" else {"argv": ["sh", "-c", "sleep 200 & wait"]}
    scene.plan("slow", grid(kind=kind, timeout="1s", max_attempts=1, **what))
    worker = scene.start(*WORKER, "--slots", "1")
    assert worker.wait() == 1
    worker.wait_until_nothing_is_left()
    end = scene.end("slow")
    assert (end.kind, end.body["error"]) == (End.FAILED, "timeout: longer than 1 s")


def test_three_first_attempts_that_fail_alike_stop_an_experiment_on_this_worker(scene: Scene) -> None:
    scene.plan("broken", grid(kind="call", target="deeds:fail", params={"text": "no luck"}, params__i=list(range(8))))
    scene.plan("sound", grid(kind="call", target="deeds:append", params__i=list(range(8))))
    said, _ = scene.orch(*WORKER, "--slots", "1", expect=1)
    assert sorted(scene.kinds("broken").values()) == 5 * [[]] + 3 * [["failed"]]
    assert list(scene.kinds("sound").values()) == 8 * [["done"]]
    assert "broken: its first 3 attempts here failed alike (RuntimeError: no luck): this worker claims no more" in said


def test_failures_that_differ_stop_nothing(scene: Scene) -> None:
    texts = ["one", "two", "three", "four"]
    scene.plan("unlucky", grid(kind="call", target="deeds:fail", params__text=texts, max_attempts=1))
    said, _ = scene.orch(*WORKER, "--slots", "1", expect=1)
    assert list(scene.kinds("unlucky").values()) == 4 * [["failed"]]
    assert said.count("failed for good: unlucky/") == 4


def test_a_worker_on_which_everything_fails_claims_nothing_more(scene: Scene) -> None:
    """Each job fails in a way of its own, so it is not the experiment that is stopped, in whatever order they come."""
    texts = [f"luck of kind {letter}" for letter in "abcdefghijklmnopqrstuvwx"]
    scene.plan("unlucky", grid(kind="call", target="deeds:fail", max_attempts=1, params__text=texts))
    scene.plan("later", grid(kind="call", target="deeds:append", params__i=[1], priority=-1))
    said, _ = scene.orch(*WORKER, "--slots", "1", expect=1)
    assert sorted(scene.kinds("unlucky").values()) == 14 * [[]] + 10 * [["failed"]]
    assert "10 attempts in a row failed here, the last with: RuntimeError:" in said
    assert scene.lines() == []


def test_what_a_worker_stopped_and_could_not_run_stands_in_its_note_when_it_has_left(scene: Scene) -> None:
    scene.plan("broken", grid(kind="call", target="deeds:fail", params={"text": "no luck"}, params__i=list(range(4))))
    scene.plan("gpu", grid(kind="call", target="deeds:append", params__i=[1, 2], resources={"gpus": 1}))
    scene.orch(*WORKER, "--slots", "1", expect=1)
    (path,) = (scene.root / layout.SESSIONS).glob("*.json")
    note = json.loads(path.read_text())
    assert note["stopped"] == [{"experiment": "broken", "error": "RuntimeError: no luck"}]
    assert note["could_not_run"] == [{"experiment": "gpu", "reason": "they need 1 GPUs at once", "jobs": 2}]
    assert note["jobs"] == []


def test_jobs_that_this_worker_can_never_run_are_named_and_left_alone(scene: Scene) -> None:
    scene.plan("gpu", grid(kind="call", target="deeds:append", params__i=[1, 2], resources={"gpus": 1}))
    scene.plan("cpu", grid(kind="call", target="deeds:append", params__i=[3]))
    said, _ = scene.orch(*WORKER)
    assert scene.lines() == ["3"]
    assert said.splitlines()[-1] == "2 jobs of gpu could not run here: they need 1 GPUs at once"


def test_a_worker_tells_people_what_it_does(scene: Scene) -> None:
    scene.plan("one", grid(kind="call", target="deeds:hang_once", params__i=[0]))
    worker = scene.start(*WORKER, "--slots", "2")
    scene.wait_for("call-hangs")
    job = scene.job("one")
    sid = scene.claimer("one", job, 1).sid
    path = scene.root / layout.session_note(sid)
    note = wait_until(lambda: _note_with_jobs(path), "the note names the job")
    assert (note["session"], note["pid"], note["slots"], note["gpus"]) == (sid, worker.process.pid, 2, [])
    assert [(told["experiment"], told["job"], told["attempt"]) for told in note["jobs"]] == [("one", job, 1)]


def _note_with_jobs(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    note: dict[str, Any] = json.loads(path.read_text())
    return note if note["jobs"] else None
