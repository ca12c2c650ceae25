"""Workers and runners that end in every way there is: their jobs are done by others, and no process is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from jobs.claims import MAX_EVICTED
from jobs.records import End
from tests.orchestrator.scene import WORKER, Scene, Started, environment_of, grid, is_alive
from tests.orchestrator.waiting import wait_until

# A program with a process of its own; whoever runs it first then hangs.
HANG = "sleep 200 & mkdir first && echo $! > new && mv new program-hangs && wait; kill $!; echo done $1 >> programs.txt"
UNSHARE = ("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")

# Raises once, in the main thread of a worker, where that opens a file after `raise` has appeared.
RAISER = """
import os, sys, threading

def hook(event, _arguments, trigger=os.environ["RAISE_WHEN"], left=[1]):
    if event == "open" and left and threading.current_thread() is threading.main_thread() and os.path.exists(trigger):
        left.clear()
        raise RuntimeError("out of the blue")

if "worker" in sys.orig_argv:
    sys.addaudithook(hook)
"""


def can_unshare() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def send(number: signal.Signals) -> Callable[[Scene, Started], None]:
    return lambda _, victim: victim.process.send_signal(number)


def raise_in_it(scene: Scene, _: Started) -> None:
    (scene.folder / "raise").touch()


# How the worker ends: what does it, its exit code, and the ends of a function and of a program that it ran.
WAYS = {
    "SIGKILL": (send(signal.SIGKILL), -signal.SIGKILL, End.EVICTED, End.EVICTED),
    "an exception": (raise_in_it, 1, End.RELEASED, End.RELEASED),
    "SIGINT": (send(signal.SIGINT), 0, End.PREEMPTED, End.RELEASED),
    "SIGTERM": (send(signal.SIGTERM), 0, End.PREEMPTED, End.RELEASED),
}
if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup a worker is to stay when the terminal goes
    WAYS["SIGHUP"] = (send(signal.SIGHUP), 0, End.PREEMPTED, End.RELEASED)


def plan_work(scene: Scene) -> None:
    """Six calls and two programs, of which one each hangs when first run."""
    scene.plan("calls", grid(kind="call", target="deeds:hang_once", params__i=list(range(6))))
    scene.plan("programs", grid(kind="command", argv=["sh", "-c", HANG, "sh", "{i}"], i=[0, 1]))


def wait_until_it_hangs(scene: Scene) -> None:
    scene.wait_for("call-hangs")
    scene.wait_for("program-hangs")


def assert_all_is_done(scene: Scene, call_end: End, program_end: End) -> None:
    calls, programs = scene.kinds("calls"), scene.kinds("programs")
    assert sorted(calls.values(), key=len) == 5 * [["done"]] + [[call_end.value, "done"]]
    assert sorted(programs.values(), key=len) == [["done"], [program_end.value, "done"]]
    assert len(scene.lines()) == 7


def hung_jobs(scene: Scene) -> list[tuple[str, str]]:
    """The two jobs that took two attempts, with their experiments."""
    return [(name, job) for name in ("calls", "programs") for job, kinds in scene.kinds(name).items() if len(kinds) > 1]


@pytest.mark.parametrize("way", WAYS)
def test_what_a_worker_leaves_undone_is_done_by_others_and_no_process_of_it_is_left(scene: Scene, way: str) -> None:
    end_it, code, call_end, program_end = WAYS[way]
    (scene.folder / "hook").mkdir()
    (scene.folder / "hook" / "sitecustomize.py").write_text(RAISER)
    env = {"PYTHONPATH": f"{scene.folder}/hook:{scene.folder}", "RAISE_WHEN": str(scene.folder / "raise")}
    env["ORCH_LEASE_SECONDS"] = "600"  # a process of the same host is missed at once, however long its lease
    plan_work(scene)
    victim = scene.start(*WORKER, "--slots", "2", env=env)
    wait_until_it_hangs(scene)
    assert sum(command.startswith("sleep 200") for command in victim.processes().values()) == 2
    others = [scene.start(*WORKER, "--slots", "1") for _ in range(2)]
    end_it(scene, victim)
    assert victim.wait() == code, victim.said()
    victim.wait_until_nothing_is_left()
    assert [other.wait() for other in others] == [0, 0]
    assert_all_is_done(scene, call_end, program_end)
    assert ("out of the blue" in victim.said()) == (way == "an exception")
    for name, job in hung_jobs(scene):
        first, second = (scene.claimer(name, job, attempt) for attempt in (1, 2))
        assert first.pid == victim.process.pid
        assert second.pid in {other.process.pid for other in others}
        assert scene.session_end(first.sid).kind is (End.EVICTED if way == "SIGKILL" else End.CLOSED)


@pytest.mark.skipif(not can_unshare(), reason="this host permits no pid namespace of one's own")
def test_a_worker_killed_in_a_pid_namespace_of_its_own_is_found_out_by_its_lease(scene: Scene) -> None:
    plan_work(scene)
    victim = scene.start(*WORKER, "--slots", "2", before=UNSHARE)
    wait_until_it_hangs(scene)
    other = scene.start(*WORKER, "--slots", "1")
    victim.process.kill()
    victim.wait_until_nothing_is_left()
    assert other.wait() == 0
    assert_all_is_done(scene, End.EVICTED, End.EVICTED)
    for name, job in hung_jobs(scene):
        first, second = (scene.claimer(name, job, attempt) for attempt in (1, 2))
        assert first.pidns != second.pidns
        assert scene.session_end(first.sid).body["by"] == second.sid


def test_a_job_that_kills_its_worker_each_time_stops_at_its_bound(scene: Scene) -> None:
    scene.plan("deadly", grid(kind="call", target="deeds:kill_the_worker"))
    scene.plan("sound", grid(kind="call", target="deeds:append", params__i=[1, 2], priority=-1))
    for _ in range(MAX_EVICTED):
        scene.orch(*WORKER, "--slots", "1", expect=-signal.SIGKILL)
    scene.orch(*WORKER, "--slots", "1")  # no fault of its own
    assert scene.kinds("deadly") == {scene.job("deadly"): MAX_EVICTED * ["evicted"]}
    assert list(scene.kinds("sound").values()) == 2 * [["done"]]
    assert len(list(scene.folder.glob("kills-*"))) == MAX_EVICTED
    document = json.loads(scene.orch("status", "--json")[0])["experiments"][0]
    assert (document["name"], document["jobs"]["failed"]) == ("deadly", 1)


def test_a_function_that_holds_the_interpreter_does_not_outlive_its_worker(scene: Scene) -> None:
    scene.plan("hog", grid(kind="call", target="deeds:hold_the_interpreter"))
    worker = scene.start(*WORKER, "--slots", "1")
    scene.wait_for("holds")
    worker.process.kill()
    worker.wait_until_nothing_is_left()


def test_a_second_signal_ends_a_job_that_is_deaf_to_the_first(scene: Scene) -> None:
    deaf = "trap '' TERM; echo > deaf; sleep 200 & wait; wait; wait; sleep 200"
    scene.plan("deaf", grid(kind="command", argv=["sh", "-c", deaf]))
    worker = scene.start(*WORKER, "--slots", "1")
    scene.wait_for("deaf")
    worker.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "SIGTERM" in worker.said(), "the worker has heard the first signal")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    worker.wait_until_nothing_is_left()
    assert scene.kinds("deaf") == {scene.job("deaf"): ["released"]}


@pytest.mark.parametrize("is_over", [True, False], ids=["its job ended meanwhile", "its job still runs"])
def test_a_frozen_worker_comes_back_to_a_job_done_by_another_and_goes_on(scene: Scene, is_over: bool) -> None:
    scene.plan("calls", grid(kind="call", target="deeds:hang_once", params__i=[0]))
    job = scene.job("calls")
    frozen = scene.start(*WORKER, "--slots", "1", "--keep-alive")
    scene.wait_for("call-hangs")
    frozen.process.send_signal(signal.SIGSTOP)
    other = scene.start(*WORKER, "--slots", "1")
    assert other.wait() == 0
    assert scene.kinds("calls") == {job: ["evicted", "done"]}
    if is_over:
        (scene.folder / "go").touch()
        scene.wait_for("call-is-over")
    scene.plan("later", grid(kind="call", target="deeds:append", params__i=[1]))
    frozen.process.send_signal(signal.SIGCONT)
    wait_until(lambda: scene.kinds("later") == {scene.job("later"): ["done"]}, "the frozen worker goes on")
    frozen.process.send_signal(signal.SIGTERM)
    assert frozen.wait() == 0
    frozen.wait_until_nothing_is_left()
    assert (f"superseded: calls/{job} attempt 1" in frozen.said()) == is_over
    assert scene.kinds("calls") == {job: ["evicted", "done"]}
    before, after = scene.claimer("calls", job, 1), scene.claimer("later", scene.job("later"), 1)
    assert before.pid == after.pid == frozen.process.pid
    assert before.sid != after.sid
    assert scene.session_end(before.sid).kind is End.EVICTED
    assert scene.session_end(after.sid).kind is End.CLOSED


def test_a_killed_runner_fails_its_call_and_the_worker_goes_on(scene: Scene) -> None:
    one_try = {"kind": "call", "max_attempts": 1}
    scene.plan("killed", grid(**one_try, target="deeds:be_killed_once", params__i=[0], priority=1))
    scene.plan("calls", grid(**one_try, target="deeds:append", params__i=[1, 2, 3]))
    worker = scene.start(*WORKER, "--slots", "1")
    os.kill(int(scene.wait_for("runner-0")), signal.SIGKILL)
    assert worker.wait() == 1
    end = scene.end("killed")
    assert (end.kind, end.body["error"]) == (End.FAILED, "the process of the attempt ended by signal SIGKILL")
    assert list(scene.kinds("calls").values()) == 3 * [["done"]]
    assert f"failed for good: killed/{scene.job('killed')}" in worker.said()


def test_a_killed_runner_takes_its_program_and_what_that_started_along(scene: Scene) -> None:
    script = "sleep 200 & echo $PPID $$ $! > new; mv new pids; wait"
    scene.plan("killed", grid(kind="command", argv=["sh", "-c", script], max_attempts=1, priority=1))
    scene.plan("calls", grid(kind="call", target="deeds:append", params__i=[1, 2, 3]))
    worker = scene.start(*WORKER, "--slots", "1", "--keep-alive")
    runner, shell, sleep = map(int, scene.wait_for("pids").split())
    os.kill(runner, signal.SIGKILL)
    wait_until(lambda: scene.ends("killed")[scene.job("killed")], "the attempt has ended")
    wait_until(lambda: not any(map(is_alive, (runner, shell, sleep))), "all three are gone")
    wait_until(lambda: list(scene.kinds("calls").values()) == 3 * [["done"]], "the others are done")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 1
    assert scene.end("killed").kind is End.FAILED


def test_a_runner_whose_heirs_hold_its_pipes_is_still_seen_to_be_dead(scene: Scene) -> None:
    scene.plan("heirs", grid(kind="call", target="deeds:kill_itself_with_heirs", max_attempts=1))
    worker = scene.start(*WORKER, "--slots", "1")
    assert worker.wait() == 1
    worker.wait_until_nothing_is_left()
    assert scene.end("heirs").body["error"] == "the process of the attempt ended by signal SIGKILL"


def test_a_runner_killed_while_idle_costs_the_next_job_no_attempt(scene: Scene) -> None:
    scene.plan("first", grid(kind="call", target="deeds:surroundings"))
    worker = scene.start(*WORKER, "--slots", "1", "--keep-alive")
    wait_until(lambda: scene.kinds("first") == {scene.job("first"): ["done"]}, "the first job is done")
    (runner,) = (pid for pid, command in worker.processes().items() if "orchestrator.runner" in command)
    os.kill(runner, signal.SIGKILL)
    wait_until(lambda: not is_alive(runner), "the idle runner is gone")
    scene.plan("second", grid(kind="call", target="deeds:append"))
    wait_until(lambda: scene.ends("second")[scene.job("second")], "the second job has ended")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert scene.kinds("second") == {scene.job("second"): ["done"]}


@pytest.mark.timeout(240)
def test_no_rank_outlives_a_killed_worker(scene: Scene) -> None:
    scene.plan(
        "ranks",
        grid(dataset="digits", backbone="simple_cnn", train={"epochs": 1000, "batch_size": 32, "lr": 0.01, "ranks": 2}),
    )
    worker = scene.start(*WORKER, "--slots", "2")
    wait_until(lambda: list((scene.folder / "tmp").glob("*/*.progress.json")), "an epoch is over", 200)
    ranks = [pid for pid in worker.processes() if "LOCAL_RANK" in environment_of(pid)]
    assert len(ranks) == 2
    worker.process.kill()
    worker.wait_until_nothing_is_left()
