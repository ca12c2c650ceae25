"""Cancel and requeue of many jobs: stopped half way, over a folder that does not answer, and shown as they go on."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import layout
from jobs.errors import HostUnfitError
from jobs.selecting import Wanted, choose
from jobs.snapshot import snapshot
from orchestrator.cli import main
from orchestrator.verbs.deeds import CANCEL, Outcome, StoppedError, requeue
from tests.jobs.lost_links import failing
from tests.jobs.registers import EXPERIMENT, Root
from tests.orchestrator.commands.test_operating import on_terminal
from tests.orchestrator.scene import Scene, error_line

JOBS = [f"job-{number}" for number in range(300)]


@pytest.fixture
def root(scene: Scene) -> Root:
    made = Root(scene.root)
    made.plan(*JOBS)
    return made


def cancelled(root: Root) -> int:
    (seen,) = snapshot(root.path, EXPERIMENT).experiments
    return seen.counts["cancelled"]


def private(root: Root) -> list[Path]:
    return list((root.path / layout.TMP).glob("cmd.????????????????"))


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_keeps_what_is_done_and_running_it_again_does_the_rest(root: Root, presses: int) -> None:
    seen: list[int] = []

    def press(done: int) -> None:
        seen.append(done)
        if len(seen) <= presses:
            os.kill(os.getpid(), signal.SIGINT)
            if presses == 2:
                os.kill(os.getpid(), signal.SIGINT)

    chosen = choose(root.path, Wanted((EXPERIMENT,)))
    outcome = CANCEL.carry_out(root.path, chosen, press)
    assert len(seen) == 1
    assert cancelled(root) == len(outcome.taken) == seen[0]
    assert private(root) == []
    with pytest.raises(StoppedError, match=rf"{seen[0]} of 300 cancelled when it was stopped; what is done stands"):
        outcome.raise_if_wrong()
    assert StoppedError.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    rest = CANCEL.carry_out(root.path, chosen, lambda _: None)
    rest.raise_if_wrong()
    assert (len(rest.taken), cancelled(root)) == (300 - seen[0], 300)


def run(root: Root, *words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["--root", str(root.path), *words])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_folder_that_does_not_answer_is_said_with_how_many(
    root: Root, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "link", failing(errno.ETIMEDOUT, takes_effect=False, times=3 * 5 * 2))
    assert run(root, "cancel", EXPERIMENT, "-y") == 3
    said, complaint = capsys.readouterr()
    assert said == f"cancelled 298 jobs of {EXPERIMENT}\n"
    assert error_line(complaint) == (
        "error: the folder did not say whether it took 2 of 300; try again: orch cancel twice does no harm"
    )
    assert run(root, "cancel", EXPERIMENT, "-y") == 0
    assert cancelled(root) == 300
    assert private(root) == []


def test_a_folder_that_becomes_read_only_is_said_with_what_was_done(
    root: Root, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, calls = os.link, [0]

    def link(source: str, target: str) -> None:
        calls[0] += 1
        if calls[0] > 40:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), source, None, target)
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    assert run(root, "cancel", EXPERIMENT, "-y") == 3
    said, complaint = capsys.readouterr()
    done = re.match(rf"cancelled (\d+) jobs of {EXPERIMENT}\n", said)
    assert done is not None
    assert f"error: {done[1]} of 300 cancelled, then: " in error_line(complaint)
    assert "Read-only file system" in complaint
    assert 0 < int(done[1]) <= cancelled(root) < 41
    assert private(root) == []


def test_of_many_jobs_a_person_sees_how_far_it_is(scene: Scene, root: Root) -> None:
    code, seen = on_terminal(scene, "cancel", EXPERIMENT, answer="y")
    assert code == 0
    assert "waiting 300" in seen
    assert "and 295 more" in seen
    assert f"cancelled 300 jobs of {EXPERIMENT}" in seen
    assert "jobs " in seen.partition("[y/N]")[2]


def test_two_operators_at_once_never_do_the_same_twice(scene: Scene, root: Root) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "cancel", EXPERIMENT, "-y"],
            env=scene.environment(), cwd=scene.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    told = [process.communicate() for process in both]
    counts = [int(found[1]) for said, _ in told for found in re.finditer(r"cancelled (\d+) jobs", said)]
    assert sum(counts) == 300
    assert {process.returncode for process in both} <= {0, 2}
    assert cancelled(root) == 300
    ends = list((root.path / EXPERIMENT / layout.LOG).glob("*/*.end"))
    assert len(ends) == 300


def test_what_was_claimed_while_it_was_requeued_is_told() -> None:
    from jobs.selecting import JobName
    from jobs.verbs import Answer, Commanded

    outcome = Outcome(requeue(fresh=True), total=1)
    outcome.note(JobName("e", "job-1"), Commanded(Answer.TAKEN, 3, (4,)))
    assert outcome.lines() == ["requeued job-1 of e", "job-1: attempt 4 was claimed meanwhile, and may have resumed"]
    outcome.raise_if_wrong()
    empty = Outcome(requeue(fresh=None), total=1)
    empty.note(JobName("e", "job-1"), Commanded(Answer.UNKNOWN))
    with pytest.raises(HostUnfitError, match="1 of 1"):
        empty.raise_if_wrong()
