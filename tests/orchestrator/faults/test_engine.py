"""The engine on a handful of jobs: it counts what it did, and finds what it is there to find."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.faults.engine import Engine, Trial
from orchestrator.faults.ground import HereGround
from orchestrator.faults.places import Launch, Local, Place
from orchestrator.faults.plugins import Fault, Kill, Scene, Witness
from orchestrator.faults.toll import Toll, render

LASTING = 'sleep 100 & exec "$@"'  # leaves a process behind that nobody ends

Run = Callable[..., Toll]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(
        faults: Sequence[Fault],
        places: Sequence[Place] = (Local(),),
        seconds: float = 30.0,
        burial_seconds: float = 10.0,
        witnesses: Sequence[Witness] = (),
    ) -> Toll:
        trial = Trial(
            "a trial", tmp_path, HereGround(tmp_path / "root"), faults, seed=1, seconds=seconds, places=places,
            workers=2, lease_seconds=2.0, jobs=12, batch=0, burial_seconds=burial_seconds, say=lambda _: None,
            witnesses=witnesses,
        )  # fmt: skip
        return Engine(trial).run()

    return run


def fault(kind: type[Fault], every: float = 1.0) -> Fault:
    return kind(every, random.Random(1))


class Wand(Fault):
    name = "wand"

    def missing(self) -> str:
        return "a wand"


class Elsewhere(Local):
    name = "elsewhere"

    def missing(self) -> str:
        return "a way there"


class Idle(Fault):
    name = "idle"


class Counting(Fault):
    """Does no harm, and counts."""

    name = "counting"

    def strike(self, _scene: Scene) -> None:
        self.counts["turns"] += 1


class Remote(Counting):
    """The second worker reaches the root another way."""

    def prepare(self, launch: Launch) -> Launch:
        return replace(launch, root=launch.root.with_name("way")) if launch.slot == 1 else launch

    def set_up(self, scene: Scene) -> None:
        scene.root.with_name("way").symlink_to(scene.root)


class Onlooker(Witness):
    """Notes what it is asked to look at, and sees something wrong at the end."""

    name = "an onlooker"
    roots: Sequence[Path] = ()

    def begin(self, roots: list[Path]) -> None:
        self.roots = roots

    def end(self) -> None:
        self.counts["looks"] = 1
        self.broken = ["a job in two states"]


class Misled(Counting):
    """Every worker finds a lease in its environment that is no number."""

    def prepare(self, launch: Launch) -> Launch:
        return launch.with_env(ORCH_LEASE_SECONDS="a while")


class Littered(Counting):
    """The first worker leaves a process behind."""

    def prepare(self, launch: Launch) -> Launch:
        return launch if launch.number else launch.wrapped("sh", "-c", LASTING, "sh")


def test_jobs_of_killed_workers_are_all_done_and_counted_and_what_is_missing_is_named(run: Run) -> None:
    toll = run([fault(Kill), fault(Wand)], [Local(), Elsewhere()])
    assert list(toll.violations()) == []
    assert toll.skipped == {"fault wand": "a wand", "place elsewhere": "a way there"}
    assert toll.faults["kill"]["SIGKILL"] == toll.injected > 0
    assert toll.audit.states == {"done": 12} == {"done": toll.jobs}
    assert toll.diary.executions >= 12
    assert toll.workers >= 4
    text = "\n".join(render(toll))
    assert "skipped fault wand: missing a wand" in text
    assert f"{toll.injected} SIGKILL" in text
    assert "0 lost, 0 accepted twice" in text
    assert toll.as_json()["audit"]["breaches"]["lost"] == 0


def test_a_plug_in_that_does_nothing_is_a_violation(run: Run) -> None:
    toll = run([fault(Idle), fault(Counting, 0.1)], seconds=2.0)
    assert list(toll.violations()) == ["1 plug-ins that did nothing: idle"]


def test_a_trial_without_any_plug_in_is_no_success(run: Run) -> None:
    toll = run([fault(Wand)], seconds=1.0)
    assert not toll.is_clean
    assert toll.idle == ["everything"]


def test_workers_that_give_up_are_told_with_their_last_words(run: Run) -> None:
    toll = run([fault(Misled, 0.1)], seconds=1.0)
    assert toll.gave_up
    assert "left with 2: error: ORCH_LEASE_SECONDS='a while'" in toll.gave_up[0]
    assert toll.audit.states == {"done": 12}  # by those that came after


def test_a_process_that_outlives_its_worker_is_found_and_ended(run: Run) -> None:
    toll = run([fault(Littered, 0.1)], seconds=1.0, burial_seconds=2.0)
    assert toll.left_behind == ["of worker 0: sleep 100"]
    assert not toll.is_clean


def test_a_witness_sees_the_root_from_every_side_and_what_it_saw_is_a_violation(run: Run, tmp_path: Path) -> None:
    onlooker = Onlooker()
    toll = run([fault(Remote)], witnesses=[onlooker])
    assert onlooker.roots == [tmp_path / "root", tmp_path / "way"]
    assert list(toll.violations()) == ["1 broken looks at an onlooker: a job in two states"]
    assert "  looks at an onlooker: 1 looks; 1 broken" in list(render(toll))
    assert toll.as_json()["broken_looks"] == {"an onlooker": 1}
