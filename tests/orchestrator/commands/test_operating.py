"""The verbs as a user types them: what they show, ask, do and refuse, and one line for each mistake."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from jobs import layout
from jobs.control import ControlLog
from jobs.records import End, is_fresh_void
from jobs.snapshot import snapshot
from tests.jobs.registers import EXPERIMENT, Root, spec
from tests.orchestrator.scene import ORCH, Scene, error_line

DONE, FAILED, RUNNING, FIRST, LAST = "ce-done-1", "ce-failed-2", "focal-run-3", "focal-s0-4", "focal-s1-5"
CELLS: Mapping[str, dict[str, Any]] = {
    DONE: {"loss": "ce", "seed": 0},
    FAILED: {"loss": "ce", "seed": 1},
    RUNNING: {"loss": "focal", "loss.gamma": 2, "seed": 0},
    FIRST: {"loss": "focal", "loss.gamma": 1, "seed": 0},
    LAST: {"loss": "focal", "loss.gamma": 1, "seed": 1},
}


@pytest.fixture
def root(scene: Scene) -> Root:
    """One job is done, one failed, one runs, two wait."""
    made = Root(scene.root)
    made.plan(*(replace(spec(job), cell=cell) for job, cell in CELLS.items()))
    who = made.session()
    made.attempts(DONE, who, End.DONE)
    made.mark(DONE, 1)
    for attempt in (1, 2, 3):
        made.claim(FAILED, attempt, who)
        made.end(FAILED, attempt, End.FAILED, error="RuntimeError: boom")
    made.claim(RUNNING, 1, who)
    return made


def states(root: Root) -> dict[str, str]:
    (seen,) = snapshot(root.path, EXPERIMENT).experiments
    return {job.job: job.state.value for job in seen.jobs}


def control(root: Root) -> ControlLog:
    log = ControlLog()
    log.refresh(root.store)
    return log


def commands(root: Root) -> int:
    return control(root).files


def refused(scene: Scene, *words: str, code: int = 2) -> str:
    said, complaint = scene.orch(*words, expect=code)
    assert said == ""
    return error_line(complaint)


def on_terminal(scene: Scene, *words: str, answer: str) -> tuple[int, str]:
    """Exit code, and all that a person saw who gave that answer."""
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [*ORCH, *words], cwd=scene.folder, env=scene.environment(), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(mine, f"{answer}\n".encode())
    seen = b""
    try:
        while data := os.read(mine, 4096):
            seen += data
    except OSError:  # nobody is left on the other side
        pass
    os.close(mine)
    return process.wait(), seen.decode().replace("\r\n", "\n")


# --- what is shown and asked ----------------------------------------------------------------------------------------


def test_a_person_sees_what_is_meant_and_is_asked(scene: Scene, root: Root) -> None:
    code, seen = on_terminal(scene, "cancel", EXPERIMENT, answer="n")
    assert code == 0
    for part in (
        f"cancel 5 jobs of {EXPERIMENT}? [y/N]",
        "done 1  running 1  waiting 2  failed 1",
        "loss=focal loss.gamma=1 seed=0",
        "RuntimeError: boom",
        f"left alone: job {DONE} is done: orch requeue it if it is to run again",
        "nothing was changed",
    ):
        assert part in seen
    assert states(root)[FIRST] == "waiting"
    code, seen = on_terminal(scene, "cancel", EXPERIMENT, answer="y")
    assert code == 0
    assert seen.endswith(
        f"cancelled 4 jobs of {EXPERIMENT}\njob {DONE} is done: orch requeue it if it is to run again\n"
    )
    assert list(states(root).values()) == ["done", *["cancelled"] * 4]


def test_nobody_to_ask_is_told_how_to_go_on(scene: Scene, root: Root) -> None:
    said = f"error: orch cannot ask here whether to hold 5 jobs of {EXPERIMENT}; add -y to do it, or --dry-run to see"
    assert refused(scene, "hold", EXPERIMENT).startswith(said)
    assert refused(scene, "cancel", FIRST, "--json").startswith("error: orch cannot ask here whether to cancel")
    assert (commands(root), states(root)[FIRST]) == (0, "waiting")


@pytest.mark.parametrize("verb", [("requeue",), ("priority", "7")])
def test_a_dry_run_shows_and_changes_nothing(scene: Scene, root: Root, verb: tuple[str, ...]) -> None:
    before = root.tree()
    said, _ = scene.orch(*verb, EXPERIMENT, "--dry-run")
    assert re.match(rf"would {verb[0].replace('priority', 'give priority')}.* 5 jobs of {EXPERIMENT}\n", said)
    assert "done 1  running 1  waiting 2  failed 1" in said
    shown = json.loads(scene.orch(*verb, EXPERIMENT, "--where", "seed=1", "--dry-run", "--json")[0])
    assert shown == {
        "schema": 1,
        "dry_run": True,
        "states": {"waiting": 1, "failed": 1},
        "whole": [],
        "jobs": [
            {"experiment": EXPERIMENT, "job": FAILED, "state": "failed"},
            {"experiment": EXPERIMENT, "job": LAST, "state": "waiting"},
        ],
    }
    assert root.tree() == before


def test_of_many_jobs_the_first_few_are_shown_in_lines_that_fit(scene: Scene, root: Root) -> None:
    Root(scene.root, "many").plan(*(replace(spec(f"job-{n}"), cell={"text": "x" * 300}) for n in range(20)))
    said, _ = scene.orch("hold", "many", "--dry-run", env={"COLUMNS": "60"})
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[2:7]] == [f"job-{number}" for number in range(5)]
    assert lines[7] == "  and 15 more"
    assert all(len(line) <= 60 for line in lines)


# --- cancel, requeue ------------------------------------------------------------------------------------------------


def test_cancel_tells_a_script_what_it_did(scene: Scene, root: Root) -> None:
    said = json.loads(scene.orch("cancel", FIRST, DONE, RUNNING, "-y", "--json")[0])
    assert said == {
        "schema": 1,
        "verb": "cancel",
        "done": [
            {"experiment": EXPERIMENT, "job": RUNNING, "attempt": 1},
            {"experiment": EXPERIMENT, "job": FIRST, "attempt": 1},
        ],
        "refused": [{"experiment": EXPERIMENT, "job": DONE, "why": "done"}],
        "unknown": [],
        "not_tried": 0,
    }
    assert (states(root)[FIRST], states(root)[RUNNING]) == ("cancelled", "cancelled")
    assert not list((scene.root / layout.TMP).glob("cmd.????????????????"))


@pytest.mark.parametrize(
    ("option", "is_fresh"), [((), [True, False]), (("--fresh",), [True, True]), (("--resume",), [False, False])]
)
def test_requeue_begins_anew_or_resumes_as_it_was_told(
    scene: Scene, root: Root, option: tuple[str, ...], is_fresh: list[bool]
) -> None:
    assert scene.orch("requeue", "--state", "done,failed", "-y", *option)[0] == f"requeued 2 jobs of {EXPERIMENT}\n"
    voids = [layout.void(EXPERIMENT, DONE, 1), layout.void(EXPERIMENT, FAILED, 3)]
    assert [is_fresh_void((scene.root / void).read_bytes()) for void in voids] == is_fresh
    assert (states(root)[DONE], states(root)[FAILED]) == ("waiting", "waiting")


@pytest.mark.parametrize("yes", [(), ("-y",)])
def test_what_cannot_be_done_is_refused_with_what_to_do_instead(scene: Scene, root: Root, yes: tuple[str, ...]) -> None:
    again = "if it is to run again"
    assert refused(scene, "requeue", RUNNING, *yes) == f"error: job {RUNNING} is running: orch cancel it first"
    assert refused(scene, "cancel", DONE, *yes) == f"error: job {DONE} is done: orch requeue it {again}"
    assert refused(scene, "requeue", "-e", EXPERIMENT, "--where", "loss=focal", *yes) == (
        f"error: job {RUNNING} is running: orch cancel it first, "
        "2 jobs wait already: a worker takes them when a slot is free"
    )
    scene.orch("cancel", FIRST, "-y")
    assert refused(scene, "cancel", FIRST, *yes) == f"error: job {FIRST} is cancelled already: orch requeue it {again}"


def test_one_part_refused_is_told_and_no_failure(scene: Scene, root: Root) -> None:
    assert scene.orch("requeue", EXPERIMENT, "-y")[0].splitlines() == [
        f"requeued 2 jobs of {EXPERIMENT}",
        f"job {RUNNING} is running: orch cancel it first",
        "2 jobs wait already: a worker takes them when a slot is free",
    ]


# --- hold, release, priority ----------------------------------------------------------------------------------------


def test_an_experiment_s_name_holds_what_is_planned_later_too(scene: Scene, root: Root) -> None:
    said, _ = scene.orch("hold", EXPERIMENT, "-y")
    assert said == f"held all of {EXPERIMENT}: 5 jobs, and those that are planned later\n"
    assert control(root).is_held(EXPERIMENT, "planned-later")
    assert "none" not in scene.orch("release", EXPERIMENT, "--dry-run")[0]
    said = scene.orch("release", "-e", EXPERIMENT, "-y", "--json")[0]
    assert json.loads(said) == {
        "schema": 1, "verb": "release", "commands": [{"number": 2, "experiment": EXPERIMENT, "jobs": None}]
    }  # fmt: skip
    assert not control(root).is_held(EXPERIMENT, FIRST)
    assert "none of them is held" in scene.orch("release", EXPERIMENT, "--dry-run")[0]


def test_jobs_that_were_chosen_otherwise_are_held_as_they_were_shown(scene: Scene, root: Root) -> None:
    assert scene.orch("hold", EXPERIMENT, "--where", "loss=focal", "-y")[0] == f"held 3 jobs of {EXPERIMENT}\n"
    log = control(root)
    assert [job for job in CELLS if log.is_held(EXPERIMENT, job)] == [RUNNING, FIRST, LAST]
    assert states(root) == {**states(root), RUNNING: "running", FIRST: "blocked"}
    assert scene.orch("release", FIRST, "-y")[0] == f"released {FIRST} of {EXPERIMENT}\n"
    assert not control(root).is_held(EXPERIMENT, FIRST)


def test_one_command_may_speak_of_several_experiments(scene: Scene, root: Root) -> None:
    Root(scene.root, "other").plan("other-1", "other-2")
    said, _ = scene.orch("priority", "-3", "other", "focal-s0", "-y")
    assert said.splitlines() == [
        f"priority -3 for {FIRST} of {EXPERIMENT}",
        "priority -3 for all of other: 2 jobs, and those that are planned later",
    ]
    log = control(root)
    assert [log.priority(EXPERIMENT, FIRST, 0), log.priority(EXPERIMENT, LAST, 0), log.priority("other", "x", 0)] == [
        -3, 0, -3,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("high", FIRST), "priority 'high' is not a whole number; say for example: orch priority 10 focal-s0-4"),
        ((FIRST, "10"), "priority 'focal-s0-4' is not a whole number; say for example: orch priority 10 focal-s0-4"),
        (("x",), "priority 'x' is not a whole number; say for example: orch priority 10 SELECTOR"),
        (("99999999999", FIRST), "priority 99999999999 is out of range; give one between -1000000000 and 1000000000"),
        (("5",), "nothing is chosen"),
    ],
)
def test_a_priority_that_is_none_says_how_it_is_written(
    scene: Scene, root: Root, words: tuple[str, ...], said: str
) -> None:
    assert refused(scene, "priority", *words).startswith(f"error: {said}")
    assert commands(root) == 0


# --- who is meant ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("foc-s0",), f"nearest: {RUNNING}, {FIRST}, {LAST}"),
        (("focal",), f"'focal' may be any of 3 jobs: {RUNNING}, {FIRST}, {LAST}; give more letters"),
        (("ex",), "no job and no experiment 'ex' in {root}; nearest: exp"),
        (("-e", "expo"), "no experiment 'expo' in {root}; there is exp"),
        (("--where", "loss=focal and seed<"), "column 21: a number should stand there, not the end; for example"),
        (("--where", "gamma=2"), "--where: no job has a key 'gamma'; nearest: loss.gamma"),
        (("--state", "faild"), "--state faild: no 'faild'; use failed"),
        (("--state", "silent"), "no job meets all of that; exp: done 1, running 1, waiting 2, failed 1"),
        ((), "nothing is chosen; name a job or an experiment, or say --where, --state or -e"),
    ],
)
def test_a_choice_that_is_none_gets_one_line(scene: Scene, root: Root, words: tuple[str, ...], said: str) -> None:
    assert said.format(root=scene.root) in refused(scene, "cancel", *words, "-y")
    assert states(root)[FIRST] == "waiting"


def test_a_folder_that_a_newer_orch_wrote_is_left_alone(scene: Scene, root: Root) -> None:
    root.write(layout.control_file(1), b'{"schema": 2, "verb": "drain"}')
    complaint = refused(scene, "hold", EXPERIMENT, "-y")
    assert ".orch/control/000001.json: it has schema 2" in complaint
    assert complaint.endswith("update orch on this host")
    root.write(layout.plan_file(EXPERIMENT, 2), b'new-1\t{"schema": 2}\n')
    assert f"{EXPERIMENT}/plan/000002.jsonl" in refused(scene, "cancel", FIRST, "-y")
    assert states(root)[FIRST] == "waiting"


def test_what_people_keep_in_the_control_folder_is_no_trouble(scene: Scene, root: Root) -> None:
    root.write(f"{layout.CONTROL}/README", b"mine")
    scene.orch("hold", EXPERIMENT, "-y")
    assert control(root).is_held(EXPERIMENT, FIRST)


# --- what a shell completes -----------------------------------------------------------------------------------------


def completed(scene: Scene, *words: str) -> list[str]:
    line = " ".join(("orch", *words))
    asked = {"_ORCH_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    run = subprocess.run(
        [ORCH[0], "-c", "from orchestrator.cli import main; main(prog_name='orch')"],
        env=scene.environment(more=asked), cwd=scene.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [line.partition(",")[2] for line in run.stdout.splitlines() if line]


def test_a_shell_completes_experiments_jobs_and_states(scene: Scene, root: Root) -> None:
    assert completed(scene, "cancel", "e") == [EXPERIMENT]
    assert completed(scene, "cancel", "focal-s") == [FIRST, LAST]
    assert completed(scene, "hold", "-e", "") == [EXPERIMENT]
    assert completed(scene, "show", "ce") == [DONE, FAILED]
    assert completed(scene, "requeue", "--state", "failed,si") == ["failed,silent"]
    assert completed(scene, "report", "e") == [EXPERIMENT]
    assert completed(scene, "--root", "nowhere", "cancel", "e") == []
