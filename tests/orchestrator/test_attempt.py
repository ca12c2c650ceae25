"""One attempt as its worker sees it: what its runner is told, and what its end amounts to."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.records import End
from jobs.spec import JobSpec
from orchestrator.attempt import (
    MAX_SUMMARY_BYTES,
    Attempt,
    Resources,
    ending,
    last_line,
    make_folder,
    message_for,
    ranks_of,
    tidy_folder,
)
from trainers.run import _parse as read_arguments

TRAIN = JobSpec(id="t-1", kind="train", content={"dataset": {"name": "digits"}})
RANKS = JobSpec(id="t-2", kind="train", content={"train": {"ranks": 2, "threads": 3}})
COMMAND = JobSpec(id="c-1", kind="command", content={"argv": ["python", "run.py", "x"]}, timeout_seconds=90)
CALL = JobSpec(id="f-1", kind="call", content={"target": "m:f", "params": {"i": 1}})


def attempt(spec: JobSpec, folder: Path, **more: Any) -> Attempt:
    return Attempt("e", spec, 1, folder, **more)


# --- its end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "stop_reason", "kind", "error"),
    [
        ({"verdict": "failed", "status": 3}, "", End.FAILED, "exit status 3"),
        ({"verdict": "failed", "status": -9}, "", End.FAILED, "signal SIGKILL"),
        ({"verdict": "failed", "error": "told"}, "", End.FAILED, "told"),
        ({"verdict": "oom", "error": "full"}, "", End.OOM, "full"),
        ({"verdict": "preempted", "status": 75}, "", End.PREEMPTED, "it ended itself as preempted (exit status 75)"),
        ({"verdict": "released", "error": "busy"}, "", End.RELEASED, "busy"),
        ({"verdict": "preempted", "status": 75}, "told to stop", End.PREEMPTED, "told to stop"),
        ({"verdict": "failed", "status": -15}, "told to stop", End.RELEASED, "told to stop"),
        ({"verdict": "failed", "status": -15}, "timeout", End.FAILED, "timeout: longer than 90 s"),
        ({"verdict": "preempted", "status": 75}, "timeout", End.FAILED, "timeout: longer than 90 s"),
    ],
)
def test_the_end_of_an_attempt(tmp_path: Path, event: dict[str, Any], stop_reason: str, kind: End, error: str) -> None:
    found = ending(attempt(COMMAND, tmp_path, stop_reason=stop_reason), event)
    assert (found.kind, found.body["error"]) == (kind, error)


def test_an_attempt_that_is_done_although_it_was_told_to_stop_is_done(tmp_path: Path) -> None:
    found = ending(attempt(COMMAND, tmp_path, stop_reason="told to stop"), {"verdict": "done", "files": []})
    assert found.kind is End.DONE


@pytest.mark.parametrize("kind", ["failed", "oom", "nan", "preempted"])
def test_what_a_trainer_says_of_its_failure_counts_more_than_its_status(tmp_path: Path, kind: str) -> None:
    (tmp_path / "failure.json").write_text(json.dumps({"kind": kind, "error": "loss is nan at step 7", "step": 7}))
    found = ending(attempt(TRAIN, tmp_path), {"verdict": "failed", "status": 1})
    assert (found.kind.value, found.body["error"], found.body["status"]) == (kind, "loss is nan at step 7", 1)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"kind": "done"}', '{"kind": "evicted"}', "\xff"])
def test_a_failure_file_that_says_nothing_useful_leaves_it_a_failure(tmp_path: Path, text: str) -> None:
    (tmp_path / "failure.json").write_bytes(text.encode("latin-1"))
    (tmp_path / "log.txt").write_text("the reason\n")
    found = ending(attempt(TRAIN, tmp_path), {"verdict": "failed", "status": 1})
    assert (found.kind, found.body["error"]) == (End.FAILED, "exit status 1: the reason")


def test_a_training_without_a_result_is_not_done(tmp_path: Path) -> None:
    event = {"verdict": "done", "status": 0, "files": []}
    found = ending(attempt(TRAIN, tmp_path), event)
    assert (found.kind, found.body["error"]) == (End.FAILED, "the trainer left no result.json")
    (tmp_path / "result.json").write_text('{"epoch": 3}')
    found = ending(attempt(TRAIN, tmp_path), event)
    assert (found.kind, found.body["summary"]) == (End.DONE, {"epoch": 3})


def test_a_result_too_large_for_a_record_stays_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"x": "y" * MAX_SUMMARY_BYTES}))
    assert ending(attempt(COMMAND, tmp_path), {"verdict": "done", "files": []}).body["summary"] == {}


@pytest.mark.parametrize("text", ["", "{", '{"loss": NaN}'])
def test_a_program_s_result_that_is_not_json_is_a_failure(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    found = ending(attempt(COMMAND, tmp_path), {"verdict": "done", "files": []})
    assert found.kind is End.FAILED
    assert found.body["error"].startswith("result.json is not JSON: ")


def test_the_last_line_of_a_log_is_the_last_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert last_line(log) == ""
    log.write_bytes(b"first\n" + b"x" * 20_000 + b"\n  the reason \xff \n\n  \n")
    assert last_line(log) == "the reason �"
    log.write_text("z" * 20_000)
    assert last_line(log) == "z" * 500


# --- its folder -----------------------------------------------------------------------------------------------------


def test_a_folder_that_is_there_already_is_never_taken(tmp_path: Path) -> None:
    made = [make_folder(tmp_path, "e", ("c-1", 2, "5e55"), {"host": "h"}) for _ in range(3)]
    assert [folder.name for folder in made] == ["0002-5e55", "0002-5e55-2", "0002-5e55-3"]
    assert json.loads((made[0] / "attempt.json").read_text()) == {"host": "h"}


@pytest.mark.parametrize(
    ("files", "stays"),
    [
        ({"attempt.json": "{}", "log.txt": ""}, []),
        ({"attempt.json": "{}"}, []),
        ({}, []),
        ({"attempt.json": "{}", "log.txt": "said"}, ["attempt.json", "log.txt"]),
        ({"attempt.json": "{}", "log.txt": "", "x": ""}, ["attempt.json", "x"]),
    ],
)
def test_the_folder_of_a_program_stays_only_where_it_left_something(
    tmp_path: Path, files: dict[str, str], stays: list[str]
) -> None:
    folder = tmp_path / "0001-5e55"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    assert tidy_folder(attempt(COMMAND, folder), b"") == bool(stays)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == stays
    assert folder.exists() == bool(stays)


def test_a_folder_that_its_program_removed_is_no_error(tmp_path: Path) -> None:
    assert not tidy_folder(attempt(COMMAND, tmp_path / "gone"), b"")


def test_a_folder_for_a_function_is_made_only_for_what_it_printed(tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / "f-1" / "0001-5e55"
    assert not tidy_folder(attempt(CALL, folder), b"")
    assert not folder.exists()
    assert tidy_folder(attempt(CALL, folder), b"said")
    assert (folder / "log.txt").read_bytes() == b"said"


def test_a_log_that_cannot_be_written_does_not_fell_the_worker(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("in the way")
    assert not tidy_folder(attempt(CALL, tmp_path / "jobs" / "f-1" / "0001-5e55"), b"said")


# --- what its runner is told ----------------------------------------------------------------------------------------


def test_a_call_is_told_its_target_its_arguments_and_where_it_may_write(tmp_path: Path) -> None:
    told = message_for(attempt(CALL, tmp_path / "new", resume=(tmp_path / "2", tmp_path / "1")), tmp_path)
    assert (told["kind"], told["target"], told["arguments"]) == ("call", "m:f", {"i": 1})
    assert told["env"]["ORCH_FOLDER"] == str(tmp_path / "new")
    assert told["env"]["ORCH_RESUME"] == str(tmp_path / "2")
    assert told["env"]["CUDA_VISIBLE_DEVICES"] == ""


def test_a_program_is_told_the_worker_s_own_python_and_a_spec_file(tmp_path: Path) -> None:
    told = message_for(attempt(COMMAND, tmp_path), tmp_path)
    assert told["argv"] == [sys.executable, "run.py", "x"]
    assert told["log"] == str(tmp_path / "log.txt")
    spec = json.loads(Path(told["env"]["ORCH_SPEC"]).read_text())
    assert spec == {"schema": 1, "job": "c-1", "experiment": "e", "kind": "command", "argv": ["python", "run.py", "x"]}


def test_only_a_leading_python_is_the_worker_s(tmp_path: Path) -> None:
    spec = JobSpec(id="c-2", kind="command", content={"argv": ["env", "python", "python3"]})
    assert message_for(attempt(spec, tmp_path), tmp_path)["argv"] == ["env", "python", "python3"]


def test_a_trainer_is_told_its_spec_its_folder_and_every_folder_to_resume_from(tmp_path: Path) -> None:
    told = message_for(attempt(TRAIN, tmp_path, resume=(tmp_path / "2", tmp_path / "1")), tmp_path)
    spec = told["env"]["ORCH_SPEC"]
    older = ["--resume", str(tmp_path / "2"), str(tmp_path / "1")]
    assert told["argv"] == [sys.executable, "-P", "-m", "trainers.run", spec, str(tmp_path), *older]
    assert read_arguments(told["argv"][4:]).resume == [tmp_path / "2", tmp_path / "1"]
    assert json.loads(Path(spec).read_text())["train"]["epochs"] == 200
    assert told["env"]["OMP_NUM_THREADS"] == "1"
    assert told["trainer"] == told["argv"][4:]


def test_a_trainer_of_several_threads_or_ranks_is_not_forked(tmp_path: Path) -> None:
    spec = JobSpec(id=TRAIN.id, kind="train", content={**TRAIN.content, "train": {"threads": 2}})
    for told in (message_for(attempt(one, tmp_path), tmp_path) for one in (spec, RANKS)):
        assert "trainers.run" in told["argv"]
        assert "trainer" not in told


@pytest.mark.usefixtures("own_locks")
def test_several_ranks_are_started_by_torch_s_launcher_each_on_its_gpu(tmp_path: Path) -> None:
    told = message_for(attempt(RANKS, tmp_path, resources=Resources(("GPU-00", "GPU-11"), 0)), tmp_path)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "trainers.run"]
    assert told["argv"][2 : 2 + len(launcher)] == launcher
    assert told["env"]["CUDA_VISIBLE_DEVICES"] == "GPU-00,GPU-11"
    assert told["env"]["OMP_NUM_THREADS"] == "3"
    assert [Path(path).name for path in told["locks"]] == ["GPU-00.lock", "GPU-11.lock"]
    assert (ranks_of(RANKS), ranks_of(TRAIN), ranks_of(COMMAND)) == (2, 1, 1)
