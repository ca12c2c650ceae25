"""What a worker can run at once."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from jobs.spec import JobSpec
from orchestrator.attempt import Attempt, Resources, message_for
from orchestrator.gpus import Gpu, is_free, lock_path
from orchestrator.pool import Need, Pool, need_of
from tests.orchestrator.waiting import wait_until

pytestmark = pytest.mark.usefixtures("own_locks")

CARDS = [Gpu(index, f"GPU-{index}{index}", "Card") for index in range(3)]


def spec(kind: str, wanted: int | None = None, ranks: int = 1) -> JobSpec:
    content = {"train": {"ranks": ranks}} if ranks > 1 else {}
    return JobSpec(id="a", kind=kind, content=content, gpus=wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job", "with_gpus", "without"),
    [
        (spec("train"), Need(1, 0), Need(0, 1)),
        (spec("train", ranks=2), Need(2, 0), Need(0, 2)),
        (spec("train", 0, ranks=2), Need(0, 2), Need(0, 2)),
        (spec("train", 1), Need(1, 0), Need(1, 0)),
        (spec("command"), Need(0, 1), Need(0, 1)),
        (spec("call"), Need(0, 1), Need(0, 1)),
        (spec("call", 2), Need(2, 0), Need(2, 0)),
        (spec("command", 0), Need(0, 1), Need(0, 1)),
    ],
)
def test_what_a_job_takes_depends_on_its_kind_its_ranks_and_the_worker(
    job: JobSpec, with_gpus: Need, without: Need
) -> None:
    assert need_of(job, has_gpus=True) == with_gpus
    assert need_of(job, has_gpus=False) == without


def test_a_pool_gives_what_is_free_and_takes_it_back(tmp_path: Path) -> None:
    pool = Pool(CARDS[:2], 1, tmp_path)
    both = pool.take(Need(2, 0))
    assert both == Resources(("GPU-00", "GPU-11"), 0)
    assert pool.take(Need(1, 0)) is None
    had_room = pool.has_room
    assert pool.take(Need(0, 1)) == Resources((), 1)
    assert (had_room, pool.has_room) == (True, False)
    assert pool.take(Need(0, 1)) is None
    pool.give_back(Resources(("GPU-00",), 0))
    assert pool.take(Need(1, 0)) == Resources(("GPU-00",), 0)


def test_a_pool_can_never_give_more_than_it_has(tmp_path: Path) -> None:
    pool = Pool(CARDS[:2], 3, tmp_path)
    assert pool.can_ever(Need(2, 3))
    assert not pool.can_ever(Need(3, 0))
    assert not pool.can_ever(Need(0, 4))


def test_a_pool_passes_over_a_gpu_that_another_worker_s_attempt_holds(tmp_path: Path) -> None:
    pool = Pool(CARDS, 1, tmp_path)
    with lock_path("GPU-11").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert pool.take(Need(3, 0)) is None
        assert pool.take(Need(2, 0)) == Resources(("GPU-00", "GPU-22"), 0)
    assert pool.take(Need(1, 0)) == Resources(("GPU-11",), 0)


def test_an_idle_runner_is_used_again_and_a_dead_one_is_not(tmp_path: Path) -> None:
    pool = Pool([], 2, tmp_path)
    first = pool.runner()
    pool.running.remove(first)
    pool._idle.append(first)
    assert pool.runner() is first
    pool.running.remove(first)
    pool._idle.append(first)
    first.process.kill()
    wait_until(lambda: first.is_dead, "the runner is gone")
    assert pool.runner() is not first
    pool.close()


def test_a_function_with_gpus_has_a_process_of_its_own_that_holds_them_to_its_end(tmp_path: Path) -> None:
    pool = Pool(CARDS[:1], 1, tmp_path)
    idle = pool.runner()
    pool.running.remove(idle)
    pool._idle.append(idle)
    resources = pool.take(Need(1, 0))
    assert resources is not None
    content = {"target": "os:getpid"}
    attempt = Attempt("exp", JobSpec("a", "call", content, gpus=1), 1, tmp_path / "none", resources=resources)
    runner = pool.runner(is_new=True)
    runner.run(attempt, message_for(attempt, tmp_path))
    (event,) = wait_until(lambda: list(runner.events()), "the function has returned")
    assert event["summary"] == {"value": runner.process.pid}
    assert runner is not idle
    assert not is_free("GPU-00"), "what it has on the GPU is there as long as it is"
    pool.is_over(runner, died=False)
    assert runner.process.returncode is not None
    assert is_free("GPU-00")
    assert pool.runner() is idle
    pool.close()


def test_a_function_does_not_run_on_a_gpu_that_somebody_else_holds(tmp_path: Path) -> None:
    """It was free when the worker looked."""
    pool = Pool(CARDS[:1], 1, tmp_path)
    resources = pool.take(Need(1, 0))
    assert resources is not None
    attempt = Attempt("exp", JobSpec("a", "call", {"target": "os:getpid"}, gpus=1), 1, tmp_path, resources=resources)
    with lock_path("GPU-00").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        runner = pool.runner(is_new=True)
        runner.run(attempt, message_for(attempt, tmp_path))
        (event,) = wait_until(lambda: list(runner.events()), "the runner has given it back")
    assert (event["verdict"], event["error"]) == ("released", "another process of this host uses the GPU")
    pool.close()
