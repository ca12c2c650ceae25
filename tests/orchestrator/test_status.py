"""How far things are: the JSON that scripts rely on, and the text made from it."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from jobs import layout
from jobs.records import End, EndRecord, encode_void
from jobs.spec import JobSpec
from orchestrator.status import as_document
from orchestrator.status_text import SHOWN_FAILURES, render
from tests.orchestrator.report.roots import CLAIMER, SESSION, call_spec, fail, finish, plan_jobs, write
from tests.orchestrator.scene import WORKER, Scene, error_line, grid
from tests.orchestrator.waiting import wait_until

STATES = ["done", "running", "silent", "waiting", "blocked", "failed", "cancelled"]


def document(scene: Scene) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(scene.orch("status", "--json")[0])
    return found


def only(root: Path) -> dict[str, Any]:
    """The document of a root's only experiment."""
    (experiment,) = as_document(root)["experiments"]
    assert sum(experiment["jobs"][state] for state in STATES) == experiment["jobs"]["total"]
    found: dict[str, Any] = experiment
    return found


def counted(root: Path) -> dict[str, int]:
    """The states that some job is in."""
    return {state: count for state, count in only(root)["jobs"].items() if count and state != "total"}


def end(root: Path, job: str, attempt: int, kind: End, **body: Any) -> None:
    write(root / layout.claim("e", job, attempt), CLAIMER.encode())
    write(root / layout.end("e", job, attempt), EndRecord(kind, body).encode())


# --- real workers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_made", [False, True])
def test_a_root_with_nothing_in_it_has_a_status(scene: Scene, is_made: bool) -> None:
    if is_made:
        scene.root.mkdir()
    assert document(scene) == {"schema": 1, "experiments": [], "problem": "", "strangers": []}
    assert scene.orch("status")[0] == f"nothing is planned in {scene.root}; start with: orch plan\n"
    assert scene.root.exists() == is_made


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_root_below_a_file_is_an_error_of_one_line(scene: Scene, command: str) -> None:
    (scene.folder / "file").touch()
    _, complaint = scene.orch(command, expect=3, env={"ORCH_ROOT": "file/root"})
    assert error_line(complaint) == "error: file/root: Not a directory; give a root that you can read (--root)"


def test_the_status_of_a_worker_at_work_and_after_it_was_killed(scene: Scene) -> None:
    scene.plan("bad", grid(kind="call", target="deeds:fail", params={"text": "no luck"}, max_attempts=1, priority=1))
    scene.plan("work", grid(kind="call", target="deeds:hang_once", params__i=[0, 1, 2]))
    worker = scene.start(*WORKER, "--slots", "1")
    scene.wait_for("call-hangs")
    bad, work = wait_until(lambda: _with_jobs(scene), "the worker tells what it runs")
    assert work.keys() >= {"name", "jobs", "eta_seconds", "workers", "failures"}
    assert list(work["jobs"]) == ["total", *STATES]
    assert (work["jobs"]["total"], work["jobs"]["running"], work["jobs"]["silent"]) == (3, 1, 0)
    assert sum(work["jobs"][state] for state in STATES) == 3
    (told,) = work["workers"]
    assert told.keys() >= {"session", "host", "pid", "gpus", "jobs", "silent_seconds"}
    (running,) = told["jobs"]
    sid = scene.claimer("work", running["job"], 1).sid
    assert (told["session"], told["pid"], told["gpus"]) == (sid, worker.process.pid, [])
    assert 0 <= told["silent_seconds"] < 60
    (failure,) = bad["failures"]
    assert failure.keys() == {"job", "attempt", "kind", "error", "log"}
    assert (failure["job"], failure["attempt"], failure["kind"]) == (scene.job("bad"), 1, "failed")
    assert failure["error"] == "RuntimeError: no luck"
    assert Path(failure["log"]).read_text().splitlines()[-1] == "RuntimeError: no luck"
    said, _ = scene.orch("status")
    assert running["job"] in said
    assert "RuntimeError: no luck" in said
    worker.process.send_signal(signal.SIGKILL)
    worker.wait()
    _, work = document(scene)["experiments"]
    assert (work["jobs"]["running"], work["jobs"]["silent"]) == (0, 1)
    (told,) = work["workers"]
    assert told["is_gone"]
    assert re.search(r"silent for [0-9]+ s \(its process is gone\)", scene.orch("status")[0])


def _with_jobs(scene: Scene) -> list[dict[str, Any]] | None:
    experiments: list[dict[str, Any]] = document(scene)["experiments"]
    return experiments if any(worker["jobs"] for worker in experiments[-1]["workers"]) else None


def test_watch_shows_it_again_until_it_is_interrupted(scene: Scene) -> None:
    scene.plan("one", grid(kind="call", target="deeds:append"))
    watching = scene.start("status", "--watch")
    wait_until(lambda: "waiting 1" in watching.said(), "it shows the job waiting")
    scene.orch(*WORKER)
    wait_until(lambda: "done 1" in watching.said(), "it shows the job done")
    watching.process.send_signal(signal.SIGINT)
    assert watching.wait() == 0
    assert "Traceback" not in watching.said()


def test_failed_shows_only_the_failures(scene: Scene) -> None:
    scene.plan("good", grid(kind="call", target="deeds:append"))
    assert scene.orch("status", "--failed")[0] == "no job has failed\n"
    scene.plan("bad", grid(kind="call", target="deeds:fail", params={"text": "no luck"}, max_attempts=1))
    scene.orch(*WORKER, expect=1)
    first, second = scene.orch("status", "--failed")[0].splitlines()
    assert first == f"  failed {scene.job('bad')} (attempt 1): RuntimeError: no luck"
    assert second.startswith("    log: ")


def test_the_counts_add_up_in_every_look_while_workers_come_go_and_are_told_otherwise(scene: Scene) -> None:
    """And what is done stays done: nobody asks for it again here."""
    scene.plan("short", grid(kind="call", target="deeds:append", params__i=list(range(300))))
    scene.plan("failing", grid(kind="call", target="deeds:fail", params={"text": "no luck"}, params__i=list(range(3))))
    last = [job.id for job in scene.jobs("short")][-5:]
    scene.orch("hold", *last, "-y")  # so that they are not done before they can be cancelled
    first = scene.start(*WORKER, "--slots", "1", "--keep-alive")
    looks, done = 0, 0
    while done < 300:
        assert looks < 1000
        counts = {each["name"]: each["jobs"] for each in document(scene)["experiments"]}
        for name, total in (("short", 300), ("failing", 3)):
            assert counts[name]["total"] == sum(counts[name][state] for state in STATES) == total
        assert counts["short"]["done"] + counts["short"]["cancelled"] >= done
        assert not counts["short"]["failed"]
        assert counts["short"]["blocked"] == (5 if looks < 2 else 0)
        done = counts["short"]["done"] + counts["short"]["cancelled"]
        looks += 1
        if looks == 2:
            first.process.kill()
            scene.start(*WORKER, "--slots", "2")
            scene.orch("cancel", *last, "-y")
    assert looks >= 3


def test_what_stopped_a_worker_and_what_it_could_not_run_is_told_after_it_has_left(scene: Scene) -> None:
    scene.plan("broken", grid(kind="call", target="deeds:fail", params={"text": "no luck"}, params__i=list(range(4))))
    scene.plan("gpu", grid(kind="call", target="deeds:append", params__i=[1, 2], resources={"gpus": 1}))
    scene.orch(*WORKER, "--slots", "1", expect=1)
    broken, gpu = document(scene)["experiments"]
    (stop,), (left,) = broken["left_undone"], gpu["left_undone"]
    assert (stop["kind"], stop["is_all"], stop["reason"]) == ("stopped", False, "RuntimeError: no luck")
    assert (left["kind"], left["reason"], left["jobs"]) == ("could_not_run", "they need 1 GPUs at once", 2)
    assert stop["has_left"]
    assert stop["host"] == left["host"] != "?"
    said = scene.orch("status")[0]
    assert "(it has left) stopped claiming these: RuntimeError: no luck\n    mend the cause, then: orch worker" in said
    assert "(it has left) could not run 2 jobs: they need 1 GPUs at once" in said
    assert "waiting: 3 after a failure (again within 30 s), 1 not tried yet" in said


def test_what_a_worker_that_has_left_complained_of_is_not_told_once_it_was_mended(scene: Scene) -> None:
    scene.plan("broken", grid(kind="call", target="deeds:fail", params={"text": "no luck"}, params__i=list(range(4))))
    scene.orch(*WORKER, "--slots", "1", expect=1)
    failed = [job for job, kinds in scene.kinds("broken").items() if kinds]
    assert len(only(scene.root)["left_undone"]) == 1
    for job in failed:
        write(scene.root / layout.void("broken", job, 1), encode_void(fresh=False))
    assert counted(scene.root) == {"waiting": 4}
    assert only(scene.root)["left_undone"] == []


def test_silent_sessions_are_told_with_what_they_hold(scene: Scene) -> None:
    scene.plan("work", grid(kind="call", target="deeds:hang_once", params__i=[0, 1]))
    worker = scene.start(*WORKER, "--slots", "1")
    scene.wait_for("call-hangs")
    worker.process.kill()
    worker.wait()
    (work,) = document(scene)["experiments"]
    (job,) = [job for job in scene.kinds("work") if (scene.root / layout.claim("work", job, 1)).exists()]
    (told,) = work["workers"]
    assert (told["held"], told["is_silent"], work["orphaned"]) == ([job], True, [])
    assert f"holds 1 job ({job})" in scene.orch("status")[0]
    write(scene.root / layout.session_end(told["session"]), EndRecord(End.EVICTED, {}).encode())
    (work,) = document(scene)["experiments"]
    assert (work["workers"], work["orphaned"]) == ([], [job])
    assert f"of workers that are gone: 1 job ({job})" in scene.orch("status")[0]


def test_held_jobs_strangers_and_a_newer_plan_are_told_and_the_rest_is_shown(scene: Scene) -> None:
    scene.plan("some", grid(kind="call", target="deeds:append", params__i=[1, 2]))
    scene.plan("all", grid(kind="call", target="deeds:append", params__i=[1, 2]))
    scene.plan("newer", grid(kind="call", target="deeds:append", params__i=[1]))
    one = scene.jobs("some")[0].id
    scene.orch("hold", one, "-e", "some", "-y")
    scene.orch("hold", "all", "-y")
    write(scene.root / "newer" / "plan" / "000002.jsonl", b'e-5\t{"schema": 2}\n')
    write(scene.root / "some" / "log" / "notes.txt", b"")
    said = scene.orch("status")[0]
    assert f"  blocked: 1 held: orch release {one}" in said
    assert "  blocked: 2 held: orch release all" in said
    assert "not all of its plan could be read: newer/plan/000002.jsonl: " in said
    assert said.splitlines()[-1] == "some/log/notes.txt: no file of orch's; it is left alone"
    assert [each["jobs"]["total"] for each in document(scene)["experiments"]] == [2, 1, 2]


def test_a_folder_that_does_not_show_its_jobs_is_an_error_of_one_line(scene: Scene) -> None:
    scene.plan("one", grid(kind="call", target="deeds:append"))
    scene.orch(*WORKER)
    shard = scene.root / layout.log_shard("one", scene.job("one"))
    shard.rename(scene.folder / "away")
    shard.symlink_to(shard)
    said, complaint = scene.orch("status", "--json", expect=3)
    assert said == ""
    assert str(shard) in error_line(complaint)


# --- states, from registers as workers leave them -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ([], "waiting"),
        ([End.FAILED], "waiting"),
        ([End.FAILED, End.OOM], "waiting"),
        ([End.FAILED, End.OOM, End.FAILED], "failed"),
        ([End.NAN], "failed"),
        ([End.RELEASED, End.PREEMPTED, End.EVICTED], "waiting"),
        ([End.EVICTED] * 5, "failed"),
        ([End.CANCELLED], "cancelled"),
        ([End.FAILED, End.DONE], "done"),
    ],
)
def test_ends_make_the_state(tmp_path: Path, kinds: list[End], state: str) -> None:
    plan_jobs(tmp_path, "e", [call_spec("a")])
    for number, kind in enumerate(kinds, 1):
        end(tmp_path, "a", number, kind)
    assert counted(tmp_path) == {state: 1}


def test_a_void_makes_a_done_job_wait_again(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "e", [call_spec("a")])
    finish(tmp_path, "e", "a", {})
    assert counted(tmp_path) == {"done": 1}
    write(tmp_path / layout.void("e", "a", 1), encode_void(fresh=True))
    assert counted(tmp_path) == {"waiting": 1}


def test_an_open_claim_is_silent_once_its_lease_is_far_behind_the_newest(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "e", [call_spec("a")])
    write(tmp_path / layout.claim("e", "a", 1), CLAIMER.encode())
    old, new = tmp_path / layout.lease(SESSION), tmp_path / layout.lease("f" * 16)
    write(old, b"x")
    write(new, b"x")
    assert counted(tmp_path) == {"running": 1}
    _set_mtime(old, new.stat().st_mtime - 80)  # the lease is 90 s
    assert counted(tmp_path) == {"running": 1}
    _set_mtime(old, new.stat().st_mtime - 100)
    assert counted(tmp_path) == {"silent": 1}


def test_a_server_with_another_clock_makes_nobody_silent(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "e", [call_spec("a")])
    write(tmp_path / layout.claim("e", "a", 1), CLAIMER.encode())
    for sid, seconds in ((SESSION, 1_000_000_000), ("f" * 16, 1_000_000_010)):  # years ago, by this host's clock
        write(tmp_path / layout.lease(sid), b"x")
        _set_mtime(tmp_path / layout.lease(sid), seconds)
    assert counted(tmp_path) == {"running": 1}


def _set_mtime(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))


def test_what_a_job_needs_makes_its_state(tmp_path: Path) -> None:
    names = ("good", "bad", "open", "gone")
    needy = [JobSpec(id=f"on-{name}", kind="call", content={}, needs=(name,)) for name in names]
    plan_jobs(tmp_path, "e", [*needy, *map(call_spec, ("good", "bad", "open"))])
    finish(tmp_path, "e", "good", {})
    fail(tmp_path, "e", "bad", "loss is nan")
    found = only(tmp_path)
    assert counted(tmp_path) == {"done": 1, "waiting": 2, "blocked": 2, "failed": 2}
    assert {told["job"]: told["reason"] for told in found["blocked"]} == {
        "on-open": "needs open, which is waiting",
        "on-gone": "needs gone, which is not planned",
    }
    assert {told["job"]: told["error"] for told in found["failures"]} == {
        "bad": "loss is nan",
        "on-bad": "needs bad, which failed for good",
    }


# --- text -----------------------------------------------------------------------------------------------------------


def test_the_text_of_a_hundred_failures_stays_short_unless_asked_for(tmp_path: Path) -> None:
    jobs = [f"job-{number:03d}" for number in range(100)]
    plan_jobs(tmp_path, "e", list(map(call_spec, jobs)))
    for job in jobs:
        fail(tmp_path, "e", job, "no luck")
    found = as_document(tmp_path)
    lines = render(found, tmp_path).splitlines()
    assert len(lines) < 50
    assert lines[-2] == f"  ... {100 - SHOWN_FAILURES} more: orch status --failed"
    assert lines[-1] == "  mend the cause, then: orch requeue e --state failed"
    assert lines == render(as_document(tmp_path, most_failures=SHOWN_FAILURES), tmp_path).splitlines()
    assert len(render(found, tmp_path, only_failed=True).splitlines()) == 100


def test_the_bar_shows_parts_that_add_up(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "e", list(map(call_spec, "abcdef")))
    finish(tmp_path, "e", "a", {})
    fail(tmp_path, "e", "b", "no luck")
    end(tmp_path, "c", 1, End.CANCELLED)
    _, counts, bar, *_ = render(as_document(tmp_path), tmp_path).splitlines()
    assert counts == "  done 1  waiting 3  failed 1  cancelled 1"
    assert bar == f"  [{'#' * 10}{'.' * 30}{'!' * 20}]"


def test_the_rest_of_the_time_is_told_from_what_done_jobs_took(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "e", list(map(call_spec, "abcd")))
    note = {"session": SESSION, "host": "h", "pid": 1, "gpus": [], "slots": 2, "jobs": [], "lease_seconds": 90}
    write(tmp_path / layout.lease(SESSION), b"x")
    write(tmp_path / layout.session_note(SESSION), json.dumps(note).encode())
    assert only(tmp_path)["eta_seconds"] is None
    for job, seconds in (("a", 100.0), ("b", 300.0)):
        end(tmp_path, job, 1, End.DONE, seconds=seconds)
    assert only(tmp_path)["eta_seconds"] == 2 * 200 / 2  # two waiting, 200 s each, two slots
    assert render(as_document(tmp_path), tmp_path).startswith("e  4 jobs  ETA 3 min\n")
    (tmp_path / layout.lease(SESSION)).unlink()
    assert only(tmp_path)["eta_seconds"] is None
