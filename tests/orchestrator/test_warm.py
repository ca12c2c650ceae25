"""Training attempts that a slot's runner forks from a warm process: whoever dies, whenever."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jobs.records import End
from jobs.spec import JobSpec
from orchestrator.attempt import Attempt, message_for
from orchestrator.gpu_locks import GPU_TAKEN, take_lock
from orchestrator.runner_process import RunnerProcess
from orchestrator.warm import code_state
from tests.orchestrator.scene import WORKER, Scene, grid, is_alive
from tests.orchestrator.waiting import PATIENCE_SECONDS, wait_until

TRAIN: Mapping[str, Any] = {"epochs": 1, "batch_size": 100, "lr": 0.05}
ENDLESS = {**TRAIN, "epochs": 10_000}
# Run by every Python that finds it: one that is to fork trainers ends at once.
NO_WARM = "import sys\nif 'trainers.warm' in sys.orig_argv: sys.exit('no warm process today')\n"


def content(train: Mapping[str, Any]) -> dict[str, Any]:
    named = {"backbone": "simple_cnn", "head": "linear", "loss": "ce", "rule": "none", "sampler": "instance"}
    return {
        "dataset": {"name": "digits"},
        "imbalance": {"type": "none"},
        **{section: {"name": name} for section, name in named.items()},
        "train": dict(train),
    }


@dataclass
class Slot:
    """A runner that is given one training job after the other."""

    folder: Path
    runner: RunnerProcess = field(init=False)
    number: int = 0

    def __post_init__(self) -> None:
        self.runner = RunnerProcess(self.folder, 1)

    def begin(self, train: Mapping[str, Any] = TRAIN, **words: Any) -> Attempt:
        """Start an attempt; `words` take the place of what the runner would be told."""
        self.number += 1
        folder = self.folder / f"{self.number:04d}"
        folder.mkdir()
        attempt = Attempt("e", JobSpec(id="t-1", kind="train", content=content(train)), self.number, folder)
        told = message_for(attempt, self.folder)
        more = {"env": {**told["env"], **words.pop("env", {})}}
        self.runner.run(attempt, {**told, **words, **more})
        return attempt

    def hear(self) -> dict[str, Any]:
        """How the attempt ended."""
        while not (ended := list(self.runner.events())):
            ready, _, _ = select.select(self.runner.signs, [], [], PATIENCE_SECONDS)
            assert ready, "the runner says nothing"
        return ended[0]

    def train(self, train: Mapping[str, Any] = TRAIN, **words: Any) -> Attempt:
        """Run an attempt that is to be done."""
        attempt = self.begin(train, **words)
        ended = self.hear()
        assert ended["verdict"] == "done", (ended, log_of(attempt))
        return attempt

    def warm(self) -> int:
        """The pid of the warm process."""
        (pid,) = children(self.runner.process.pid)
        return pid

    def wait_for_step(self, attempt: Attempt) -> None:
        """Wait until an attempt trains."""
        assert attempt.progress_file is not None
        wait_until(attempt.progress_file.exists, "the first step")

    def trainer(self) -> int:
        """The pid of the attempt that trains."""
        (pid,) = children(self.warm())
        return pid


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def log_of(attempt: Attempt) -> str:
    return attempt.log.read_text()


def are_gone(*pids: int) -> Callable[[], bool]:
    return lambda: not any(map(is_alive, pids))


@pytest.fixture
def slot(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slot]:
    monkeypatch.setenv("PYTHONPATH", str(scene.folder))
    made = Slot(scene.folder)
    yield made
    made.runner.close()


def test_jobs_come_from_one_process_while_it_lives_and_their_environment_is_its_own(slot: Slot) -> None:
    slot.train()
    first = slot.warm()
    lock = str(slot.folder / "gpu.lock")
    slot.wait_for_step(slot.begin(ENDLESS, locks=[lock]))
    assert slot.warm() == first
    trainer = slot.trainer()
    with pytest.raises(BlockingIOError):
        take_lock(lock)
    slot.runner.stop(signal.SIGTERM)
    assert slot.hear()["verdict"] == "preempted"
    assert not is_alive(trainer)
    descriptor = take_lock(lock)  # what stays does not hold it
    slot.begin(locks=[lock])
    ended = slot.hear()
    assert (ended["verdict"], ended["error"]) == ("released", GPU_TAKEN)
    os.close(descriptor)

    threads = slot.begin({**ENDLESS, "threads": 2})
    slot.wait_for_step(threads)
    (executed,) = set(children(slot.runner.process.pid)) - {first}
    assert "trainers.run" in command_of(executed)
    slot.runner.stop(signal.SIGTERM)
    assert slot.hear()["verdict"] == "preempted"

    os.kill(first, signal.SIGKILL)
    wait_until(are_gone(first), "the warm process is gone")
    again = slot.train()
    second = slot.warm()
    assert second != first
    assert log_of(again).count("\n") == 1  # no word of what it came from

    slot.train(env={"MKL_CBWR": "COMPATIBLE"})
    assert slot.warm() != second
    assert not is_alive(second)


def test_code_that_is_edited_added_or_removed_is_other_code(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "loss.py").write_text("a = 1")
    states = [code_state(tmp_path)]
    for name, text in {"deep/loss.py": "a = 10", "new.py": ""}.items():
        (tmp_path / name).write_text(text)
        states.append(code_state(tmp_path))
    (tmp_path / "deep" / "loss.py").unlink()
    states.append(code_state(tmp_path))
    assert len(set(states)) == 4
    (tmp_path / "deep" / "loss.pyc").touch()
    assert code_state(tmp_path) == states[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_attempt_can_be_stopped_while_its_imports_are_done(slot: Slot, number: signal.Signals) -> None:
    slot.begin(ENDLESS)
    wait_until(lambda: "trainers.warm" in "".join(map(command_of, children(slot.runner.process.pid))), "it starts")
    warm = slot.warm()
    slot.runner.stop(number)
    ended = slot.hear()
    assert ended["status"] in ((75, -signal.SIGTERM) if number is signal.SIGTERM else (-signal.SIGKILL,))
    assert not is_alive(warm)


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_warm_process_that_dies_takes_its_attempt_along_and_the_next_job_has_another(slot: Slot) -> None:
    slot.wait_for_step(slot.begin(ENDLESS))
    trainer, warm = slot.trainer(), slot.warm()
    os.kill(warm, signal.SIGKILL)
    ended = slot.hear()
    assert (ended["verdict"], ended["status"]) == ("failed", -signal.SIGKILL)
    wait_until(are_gone(trainer, warm), "both are gone")
    slot.train()
    slot.runner.process.kill()  # at rest, and at once
    wait_until(are_gone(slot.runner.process.pid), "the runner is gone")


def test_without_a_warm_process_attempts_are_executed_and_one_log_says_why(slot: Slot) -> None:
    (slot.folder / "sitecustomize.py").write_text(NO_WARM)
    first = log_of(slot.train()).splitlines()
    assert first[0] == "warning: not forked from a warm process: it ended with exit status 1"
    assert len(first) == 2
    second = slot.begin(argv=[sys.executable, "-m", "trainers.run", str(slot.folder / "nowhere"), str(slot.folder)])
    assert slot.hear()["verdict"] == "failed"
    assert log_of(second).startswith("error: ")
    assert log_of(second).count("\n") == 1
    assert children(slot.runner.process.pid) == []


@pytest.mark.timeout(240)
def test_a_killed_worker_leaves_no_trainer_and_another_takes_the_job_over(scene: Scene) -> None:
    """Its runner is killed first, in an experiment of its own."""
    words = {"dataset": "digits", "backbone": "simple_cnn"}
    scene.plan("doomed", grid(**words, train=dict(ENDLESS), max_attempts=1, priority=1))
    scene.plan("taken", grid(**words, train={**TRAIN, "epochs": 4, "batch_size": 4}))
    victim = scene.start(*WORKER, "--slots", "1")
    trains("doomed", scene)
    (runner,) = (pid for pid, command in victim.processes().items() if "orchestrator.runner" in command)
    os.kill(runner, signal.SIGKILL)
    wait_until(lambda: scene.ends("doomed")[scene.job("doomed")], "the attempt has ended")
    assert scene.end("doomed").kind is End.FAILED
    trains("taken", scene)
    assert sum("trainers.warm" in command for command in victim.processes().values()) == 2
    victim.process.kill()
    victim.wait_until_nothing_is_left()
    other = scene.start(*WORKER, "--slots", "1")
    assert other.wait() == 0, other.said()
    assert scene.kinds("taken") == {scene.job("taken"): ["evicted", "done"]}
    other.wait_until_nothing_is_left()
    (*_, folder) = scene.attempt_folders("taken")
    assert json.loads((folder / "result.json").read_text())["samples_seen"] == 4000


def trains(experiment: str, scene: Scene) -> None:
    """Wait until a step of it is made."""
    wait_until(lambda: list((scene.folder / "tmp").glob(f"*/{experiment}.*.progress.json")), "the first step")
