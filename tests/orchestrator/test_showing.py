"""`orch show`: one job from near."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs import layout
from jobs.control import Command, Verb, add_command
from jobs.errors import InputError
from jobs.records import End, EndRecord
from jobs.spec import JobSpec
from orchestrator.showing import show
from tests.jobs.registers import EXPERIMENT, Root, spec
from tests.orchestrator.scene import WORKER, Scene, grid


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path)
    root.plan(spec("a-1"), spec("b-2", needs=("a-1",)), spec("c-3", needs=("b-2", "gone-0"), priority=2))
    return root


def shown(root: Root, job: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(show(root.path, job, as_json=True))
    assert document["schema"] == 1
    return document


def test_a_job_that_ran_is_shown_with_its_spec_its_attempts_and_its_result(scene: Scene) -> None:
    script = "import os, sys; print('hello [bold]'); r = os.environ['ORCH_RESUME']; "
    script += "json = os.environ['ORCH_FOLDER'] + '/result.json'; "
    script += "open(json, 'w').write('{{\"acc\": 0.5}}') if r else sys.exit(75)"
    scene.plan("prog", grid(kind="command", argv=["python", "-c", script], seed=[3], timeout="2h", notes="try [red]"))
    scene.orch(*WORKER, "--slots", "1")
    job = scene.job("prog")
    said = scene.orch("show", job[:8])[0]
    assert said.splitlines()[:2] == [f"{job}  of prog", "  done"]
    for part in ("max_attempts 3", "timeout      2 h 00 min", "held         no", "try [red]", "seed  3", "acc  0.5"):
        assert part in said
    assert "could resume from 1" in said
    for attempt in (1, 2):
        assert f"log of attempt {attempt}: orch logs {job} --attempt {attempt}" in said
    document = json.loads(scene.orch("show", job, "--json")[0])
    first, second = document["attempts"]
    assert (first["end"], second["end"], document["state"]) == ("preempted", "done", "done")
    assert (first["session"], first["pid"]) == (scene.claimer("prog", job, 1).sid, scene.claimer("prog", job, 1).pid)
    assert first["started"] + first["seconds"] <= second["started"] + 1
    assert (first["resumes_from"], second["resumes_from"]) == ([], [1])
    assert (scene.root / second["folder"] / layout.RESULT_FILE).is_file()
    assert document["result"] == {"acc": 0.5}
    assert document["spec"]["argv"].startswith('["python", "-c", ')


def test_every_value_of_a_train_job_is_shown_with_its_defaults(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.plan(JobSpec("t-1", "train", {"train": {"epochs": 3}}, {"dataset": "digits"}))
    document = shown(root, "t-1")
    assert document["cell"] == {"dataset": "digits"}
    assert (document["spec"]["train.epochs"], document["spec"]["train.lr"]) == (3, 0.1)
    assert "train.epochs  3" in show(root.path, "t-1")


def test_what_a_job_needs_and_who_needs_it(root: Root) -> None:
    assert shown(root, "b-2")["needs"] == [{"job": "a-1", "state": "waiting"}]
    assert shown(root, "b-2")["needed_by"] == [{"job": "c-3", "state": "blocked"}]
    said = show(root.path, "c-3")
    assert "  needs        b-2 (blocked), gone-0 (not planned)" in said
    assert "needed by" not in said
    assert "  blocked: needs b-2, which is blocked" in said
    assert said.endswith("no attempt yet")


def test_what_was_asked_for_after_planning(root: Root) -> None:
    add_command(root.store, Command(Verb.PRIORITY, EXPERIMENT, frozenset({"c-3"}), 7))
    add_command(root.store, Command(Verb.HOLD, EXPERIMENT, None))
    said = show(root.path, "c-3")
    assert "priority     7 (asked for; planned with 2)" in said
    assert f"held         yes: orch release {EXPERIMENT}" in said


def test_a_long_history_fits_eighty_columns_and_leaves_nothing_out(root: Root) -> None:
    who, other = root.session(), root.session(host="another-host-with-a-long-name.example.org")
    root.attempts("a-1", who, End.FAILED)
    root.void("a-1", 1, fresh=True)
    root.claim("a-1", 2, other)
    root.end("a-1", 2, End.EVICTED, by=who.sid)
    root.claim("a-1", 3, who)
    root.end("a-1", 3, End.OOM, error=f"CUDA out of memory [{'x' * 300}]", ended=1000.0, seconds=90.0)
    root.end("a-1", 4, End.CANCELLED)
    folder = root.path / layout.attempt_folder(EXPERIMENT, "a-1", 3, who.sid)
    folder.mkdir(parents=True)
    (folder / layout.ATTEMPT_FILE).write_text(json.dumps({"started": 5.0, "gpus": ["GPU-0123456789ab"]}))
    said = show(root.path, "a-1", width=80)
    table = said[said.index("attempts\n") :]
    assert max(map(len, table.splitlines())) <= 80
    assert table.count("x") >= 300
    words = " ".join(table.split())
    for part in ("to start afresh", "evicted by", "oom: CUDA out of memory", "cancelled", "nobody"):
        assert part in words
    first, second, third, fourth = shown(root, "a-1")["attempts"]
    assert (first["is_void"], first["is_fresh"], second["is_void"]) == (True, True, False)
    assert second["host"] == other.host
    assert (third["started"], third["seconds"], third["gpus"]) == (5.0, 90.0, ["GPU-0123456789ab"])
    assert (fourth["session"], fourth["end"], fourth["resumes_from"]) == (None, "cancelled", [3])


def test_a_job_may_resume_only_from_what_was_left_above_a_fresh_void(root: Root) -> None:
    who = root.session()
    root.attempts("a-1", who, End.FAILED, End.RELEASED, End.RELEASED, End.RELEASED)
    for attempt in (1, 2, 3):
        (root.path / layout.attempt_folder(EXPERIMENT, "a-1", attempt, who.sid)).mkdir(parents=True)
    root.void("a-1", 1, fresh=True)
    root.void("a-1", 2, fresh=False)
    root.void("a-1", 4, fresh=True)
    assert [attempt["resumes_from"] for attempt in shown(root, "a-1")["attempts"]] == [[], [], [2], [3, 2]]


def test_the_folder_of_an_attempt_is_the_one_of_its_session(root: Root) -> None:
    """Another may stand beside it, if its session is one that was lost before it had claimed."""
    who = root.session()
    root.claim("a-1", 1, who)
    names = [layout.attempt_folder(EXPERIMENT, "a-1", 1, sid) for sid in (who.sid, "f" * 16)]
    for name in names:
        (root.path / name).mkdir(parents=True)
    assert shown(root, "a-1")["attempts"][0]["folder"] == names[0]
    root.end("a-1", 1, End.FAILED, folder=names[1])
    assert shown(root, "a-1")["attempts"][0]["folder"] == names[1]


def test_an_attempt_that_runs_says_so(root: Root) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    (attempt,) = shown(root, "a-1")["attempts"]
    assert (attempt["is_running"], attempt["end"], shown(root, "a-1")["result"]) == (True, None, None)
    assert show(root.path, "a-1").splitlines()[-1].endswith("running")
    root.end_session(who)
    assert not shown(root, "a-1")["attempts"][0]["is_running"]
    assert show(root.path, "a-1").splitlines()[-1].endswith("silent")


@pytest.mark.parametrize("data", [b"", b"{", b"[]"])
def test_records_that_cannot_be_understood_do_no_harm(root: Root, data: bytes) -> None:
    root.record(data, layout.claim(EXPERIMENT, "a-1", 1))
    root.record(data, layout.end(EXPERIMENT, "a-1", 1))
    root.write(layout.attempt_folder(EXPERIMENT, "a-1", 1, "0" * 16) + f"/{layout.ATTEMPT_FILE}", data)
    assert shown(root, "a-1")["attempts"][0]["session"] is None
    assert "nobody" in show(root.path, "a-1")


def test_no_such_job_is_an_error_of_its_user(root: Root) -> None:
    with pytest.raises(InputError, match="zzz"):
        show(root.path, "zzz")


def test_a_result_that_is_no_mapping_is_shown(root: Root) -> None:
    root.claim("a-1", 1, root.session())
    root.record(EndRecord(End.DONE, {"summary": [1, 2]}).encode(), layout.end(EXPERIMENT, "a-1", 1))
    assert "value  [1, 2]" in show(root.path, "a-1")


def test_numbers_selected_on_test_are_flagged_and_lists_of_classes_are_left_to_their_file(root: Root) -> None:
    root.claim("a-1", 1, root.session())
    groups = {"shots": {"many": {"classes": [0, 1], "accuracy": 0.5}}}
    summary = {"metrics": {"test_acc": 0.5}, "select": "best_test", "recalls": [0.5, 0.5], "groups": groups}
    root.record(EndRecord(End.DONE, {"summary": summary}).encode(), layout.end(EXPERIMENT, "a-1", 1))
    text = show(root.path, "a-1")
    assert "result (optimistic: its epoch was selected on the test split)" in text
    assert "groups.shots.many.accuracy  0.5" in text
    assert "recalls" not in text
    assert "classes" not in text
    assert shown(root, "a-1")["result"] == summary
