"""Workers that the engine starts: struck themselves and not what stands before them, and missed by the others."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.faults.ground import HereGround
from orchestrator.faults.places import Launch, Local, Namespaces, Place, Victim
from orchestrator.faults.takeover import TakeOvers
from orchestrator.faults.workload import Workload
from tests.orchestrator.waiting import wait_until

LEASE_SECONDS = 2.0

Start = Callable[[Place], Victim]


@pytest.fixture
def ground(tmp_path: Path) -> HereGround:
    ground = HereGround(tmp_path / "root")
    ground.plan(Workload(1, largest_bytes=2000, programs=0.3), 60)
    return ground


@pytest.fixture
def start(ground: HereGround, tmp_path: Path) -> Iterator[Start]:
    started: list[Victim] = []

    def start(place: Place) -> Victim:
        if missing := place.missing():
            pytest.skip(f"missing {missing}")
        launch = Launch(len(started), len(started), ground.root, tmp_path)
        started.append(place.start(launch.with_env(ORCH_LEASE_SECONDS=str(LEASE_SECONDS))))
        return started[-1]

    yield start
    for victim in started:
        victim.end()


def freeze_at_work(victim: Victim, ground: HereGround, *, to_all: bool = True) -> TakeOvers:
    """Stop a worker, or all that came of it, while it holds something, and begin to time its take-over."""
    take_overs = TakeOvers(ground)

    def is_frozen_at_work() -> bool:
        victim.is_stopped = victim.send(signal.SIGSTOP, to_all=to_all)
        take_overs.silenced(victim, "silenced")
        if not take_overs.is_waiting:
            victim.send(signal.SIGCONT, to_all=to_all)
        return take_overs.is_waiting

    wait_until(is_frozen_at_work, "the worker holds something")
    return take_overs


@pytest.mark.parametrize("place", [Local(), Namespaces()], ids=lambda place: place.name)
@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "frozen"])
def test_a_silenced_worker_is_missed_by_another_and_the_take_over_is_timed(
    ground: HereGround, start: Start, place: Place, is_killed: bool
) -> None:
    victim, other = start(place), start(Local())
    before = time.monotonic()
    take_overs = freeze_at_work(victim, ground, to_all=not is_killed)
    if is_killed:
        victim.send(signal.SIGKILL)

    def is_seen() -> bool:
        take_overs.tend()
        return bool(take_overs.seen)

    wait_until(is_seen, "its session is ended")
    assert [one.path for one in take_overs.seen] == ["silenced"]
    assert 0 < take_overs.seen[0].seconds < time.monotonic() - before
    if is_killed:
        wait_until(lambda: victim.poll() is not None and not victim.left_behind(), "nothing is left of it")
        assert victim.poll() in victim.expected
    else:
        victim.send(signal.SIGCONT, to_all=True)
        victim.send(signal.SIGTERM)
        wait_until(lambda: victim.poll() is not None, "it listens again")
    assert other.poll() is None


def test_a_worker_that_goes_on_in_time_is_no_take_over(ground: HereGround, start: Start) -> None:
    victim = start(Local())
    take_overs = freeze_at_work(victim, ground)
    victim.send(signal.SIGCONT, to_all=True)
    victim.is_stopped = False
    take_overs.tend()
    victim.send(signal.SIGTERM)
    wait_until(lambda: victim.poll() is not None, "it leaves")
    take_overs.tend()  # its session has an end now, by itself
    assert take_overs.seen == []


def test_what_stands_before_a_worker_is_not_what_is_struck(start: Start) -> None:
    class Wrapped(Local):
        def start(self, launch: Launch) -> Victim:
            return super().start(launch.wrapped("sh", "-c", 'trap "" TERM; "$@"; echo "left with $?"', "sh"))

    victim = start(Wrapped())
    wait_until(lambda: "worker " in victim.said(), "it has begun")
    assert victim.send(signal.SIGTERM)
    wait_until(lambda: victim.poll() is not None, "it is told to leave")
    assert "left with 0" in victim.said()
    assert victim.left_behind() == []


def test_all_that_came_of_a_worker_is_found_by_its_mark_and_ended(start: Start, tmp_path: Path) -> None:
    class Littering(Local):
        def start(self, launch: Launch) -> Victim:
            return super().start(launch.wrapped("sh", "-c", 'sleep 100 & exec "$@"', "sh"))

    stranger = subprocess.Popen(["sleep", "100"], cwd=tmp_path)
    victim = start(Littering())
    wait_until(lambda: "sleep 100" in victim.left_behind(), "what it left is seen")
    victim.end()
    assert victim.left_behind() == []
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
