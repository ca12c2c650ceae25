"""What a worker makes of `call` and `command` jobs: one worker runs them all, the tests look at what is left."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import layout
from jobs.records import End, EndRecord
from tests.orchestrator.scene import WORKER, Scene, grid

# Experiment: the function, its arguments. Each has one job and one try.
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "no-module": ("nowhere:f", {}),
    "no-function": ("deeds:nothing", {}),
    "raises": ("deeds:fail", {"text": "no luck"}),
    "exits": ("deeds:exit_with", {"code": 3}),
    "kills-itself": ("deeds:kill_itself", {}),
    "set": ("deeds:give", {"what": "set"}),
    "nan": ("deeds:give", {"what": "nan"}),
    "int": ("deeds:give", {"what": "int"}),
    "dict": ("deeds:give", {"what": "dict"}),
    "prints": ("deeds:tell", {"text": "one\ntwo"}),
    "silent": ("deeds:tell", {"text": ""}),
    "writes": ("deeds:write_file", {"text": "weights"}),
    "asks": ("deeds:surroundings", {}),
    "resumes": ("deeds:resume", {}),
}

ASK = "import json, os, sys; json.dump(dict(exe=sys.executable, argv=sys.argv[1:], cwd=os.getcwd(), \
spec=json.load(open(os.environ['ORCH_SPEC'])), resume=os.environ['ORCH_RESUME']), \
open(os.environ['ORCH_FOLDER'] + '/result.json', 'w'))"
REPORT = """echo '{{"kind": "oom", "error": "full"}}' > "$ORCH_FOLDER/failure.json"; exit 1"""
RESUME = '[ -n "$ORCH_RESUME" ] && cp "$ORCH_RESUME/step" "$ORCH_FOLDER/step" && exit; \
echo 41 > "$ORCH_FOLDER/step"; exit 75'

# Experiment: the words of a program, and further words of the grid.
COMMANDS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "asks-program": (
        ["python", "-c", ASK, "{lr}", "{{lr}}", "{opt} of {opt.m}"],
        {"lr": 0.5, "opt": {"name": "sgd", "m": 0.9}, "params": {"deep": [1, 2]}, "seed": 4},
    ),
    "writes-nothing": (["true"], {}),
    "prints-only": (["echo", "hello"], {}),
    "is-preempted": (["sh", "-c", RESUME], {}),
    "fails": (["sh", "-c", "echo first; echo the reason >&2; echo; exit 3"], {}),
    "is-not-there": (["no-such-program"], {}),
    "is-killed": (["sh", "-c", "kill -SEGV $$"], {}),
    "clears-up": (["sh", "-c", 'rm -r "$ORCH_FOLDER"'], {}),
    "clutters": (["sh", "-c", 'cd "$ORCH_FOLDER"; rm *; mkdir attempt.json log.txt'], {}),
    "value": (["sh", "-c", 'echo 7 > "$ORCH_FOLDER/result.json"'], {}),
    "reports": (["sh", "-c", REPORT], {}),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A root where one worker has run them all."""
    made = Scene(tmp_path_factory.mktemp("kinds"), lease_seconds=30)
    for name, (target, params) in CALLS.items():
        made.plan(name, grid(kind="call", target=target, max_attempts=1, **({"params": params} if params else {})))
    for name, (argv, words) in COMMANDS.items():
        made.plan(name, grid(kind="command", argv=argv, max_attempts=1, **words))
    _, complaints = made.orch(*WORKER, "--slots", "2", expect=1)
    assert complaints == ""
    yield made
    made.end_all()


def only_folder(scene: Scene, experiment: str) -> Path:
    (folder,) = scene.attempt_folders(experiment)
    return folder


def files_of(end: EndRecord) -> dict[str, tuple[int, str]]:
    return {name: (size, digest) for name, size, digest in end.body["files"]}


# --- call -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("experiment", "error"),
    [
        ("no-module", "ModuleNotFoundError: No module named 'nowhere'"),
        ("no-function", "AttributeError: module 'deeds' has no attribute 'nothing'"),
        ("raises", "RuntimeError: no luck"),
        ("exits", "SystemExit: the function left with 3"),
        ("kills-itself", "the process of the attempt ended by signal SIGKILL"),
        ("set", "TypeError: Object of type set is not JSON serializable"),
        ("nan", "ValueError: Out of range float values are not JSON compliant"),
    ],
)
def test_a_call_that_goes_wrong_fails_with_its_error(scene: Scene, experiment: str, error: str) -> None:
    end = scene.end(experiment)
    assert end.kind is End.FAILED
    assert end.body["error"].startswith(error)
    assert scene.kinds(experiment) == {scene.job(experiment): ["failed"]}


@pytest.mark.parametrize(("experiment", "summary"), [("int", {"value": 7}), ("dict", {"loss": 0.5})])
def test_what_a_function_returns_is_the_result(scene: Scene, experiment: str, summary: object) -> None:
    end = scene.end(experiment)
    assert (end.kind, end.body["summary"], end.body["folder"]) == (End.DONE, summary, None)
    assert not (scene.root / layout.job_folder(experiment, scene.job(experiment))).exists()


def test_what_a_function_prints_is_kept_and_nothing_where_it_printed_nothing(scene: Scene) -> None:
    assert [path.name for path in only_folder(scene, "prints").iterdir()] == ["log.txt"]
    assert (only_folder(scene, "prints") / "log.txt").read_text() == "one\ntwo\n"
    assert scene.end("prints").body["folder"] == only_folder(scene, "prints").relative_to(scene.root).as_posix()
    assert scene.attempt_folders("silent") == []


def test_a_function_that_fails_leaves_its_words_and_the_traceback(scene: Scene) -> None:
    log = (only_folder(scene, "raises") / "log.txt").read_text()
    assert log.splitlines()[-1] == "RuntimeError: no luck"
    assert "deeds.py" in log
    assert (only_folder(scene, "exits") / "log.txt").read_text() == "on the way out\n"
    assert (only_folder(scene, "kills-itself") / "log.txt").read_text() == "the last words\n"


def test_a_function_knows_its_folder_and_works_in_the_worker_s(scene: Scene) -> None:
    told = scene.end("asks").body["summary"]
    job = scene.job("asks")
    sid = scene.claimer("asks", job, 1).sid
    folder = scene.root / layout.attempt_folder("asks", job, 1, sid)
    assert told == {"ORCH_FOLDER": str(folder), "ORCH_RESUME": "", "cwd": str(scene.folder)}


def test_a_file_that_a_function_writes_stands_in_the_record(scene: Scene) -> None:
    end = scene.end("writes")
    assert end.body["summary"] == {"was_there": False}
    assert files_of(end) == {"deep/weights.bin": (7, hashlib.sha256(b"weights").hexdigest())}
    link = scene.root / layout.result_link("writes", scene.job("writes"))
    assert link.is_symlink()
    assert (link / "deep" / "weights.bin").read_text() == "weights"


def test_the_second_attempt_of_a_function_is_handed_the_folder_of_the_first(scene: Scene) -> None:
    assert scene.kinds("resumes") == {scene.job("resumes"): ["preempted", "done"]}
    first, *_ = scene.attempt_folders("resumes")
    assert scene.end("resumes", 2).body["summary"] == {"step": "41", "from": str(first)}


# --- command --------------------------------------------------------------------------------------------------------


def test_a_program_is_given_its_cell_its_spec_and_the_worker_s_python(scene: Scene) -> None:
    end = scene.end("asks-program")
    told = end.body["summary"]
    assert (told["exe"], told["cwd"], told["resume"]) == (sys.executable, str(scene.folder), "")
    assert told["argv"] == ["0.5", "{lr}", "sgd of 0.9"]
    spec = told["spec"]
    job = scene.job("asks-program")
    assert (spec["job"], spec["experiment"], spec["kind"]) == (job, "asks-program", "command")
    assert (spec["params"], spec["seed"], spec["argv"][3:]) == ({"deep": [1, 2]}, 4, ["0.5", "{lr}", "sgd of 0.9"])
    result = (only_folder(scene, "asks-program") / "result.json").read_bytes()
    assert json.loads(result) == told
    assert files_of(end)["result.json"] == (len(result), hashlib.sha256(result).hexdigest())


def test_the_folder_of_a_program_says_who_ran_it(scene: Scene) -> None:
    about = json.loads((only_folder(scene, "asks-program") / "attempt.json").read_text())
    claimer = scene.claimer("asks-program", scene.job("asks-program"), 1)
    assert (about["session"], about["host"], about["pid"]) == (claimer.sid, claimer.host, claimer.pid)


@pytest.mark.parametrize("experiment", ["writes-nothing", "clears-up"])
def test_a_program_that_leaves_nothing_leaves_no_folder(scene: Scene, experiment: str) -> None:
    end = scene.end(experiment)
    assert (end.kind, end.body["folder"], end.body["summary"]) == (End.DONE, None, {})
    assert scene.attempt_folders(experiment) == []


def test_what_a_program_prints_is_its_log(scene: Scene) -> None:
    assert (only_folder(scene, "prints-only") / "log.txt").read_text() == "hello\n"
    assert list(files_of(scene.end("prints-only"))) == ["attempt.json"]


def test_a_program_that_clutters_its_folder_harms_nobody(scene: Scene) -> None:
    assert scene.kinds("clutters") == {scene.job("clutters"): ["done"]}


def test_a_program_that_exits_with_75_is_tried_again_with_what_it_left(scene: Scene) -> None:
    assert scene.kinds("is-preempted") == {scene.job("is-preempted"): ["preempted", "done"]}
    link = scene.root / layout.result_link("is-preempted", scene.job("is-preempted"))
    assert (link / "step").read_text() == "41\n"
    assert link.resolve().name.startswith("0002-")


@pytest.mark.parametrize(
    ("experiment", "kind", "error"),
    [
        ("fails", End.FAILED, "exit status 3: the reason"),
        ("is-not-there", End.FAILED, "no-such-program: No such file or directory"),
        ("is-killed", End.FAILED, "signal SIGSEGV"),
        ("reports", End.OOM, "full"),
    ],
)
def test_a_program_that_goes_wrong_fails_with_its_last_line(
    scene: Scene, experiment: str, kind: End, error: str
) -> None:
    end = scene.end(experiment)
    assert (end.kind, end.body["error"]) == (kind, error)


def test_a_result_that_is_not_an_object_is_put_into_one(scene: Scene) -> None:
    assert scene.end("value").body["summary"] == {"value": 7}


def test_the_worker_leaves_nothing_of_its_own_behind(scene: Scene) -> None:
    assert list((scene.folder / "tmp").iterdir()) == []
    assert not list((scene.root / layout.SESSIONS).glob("*.lease"))


def test_a_program_that_makes_a_folder_of_its_spec_file_fells_no_worker(scene: Scene) -> None:
    scene.plan("exp", grid(kind="command", argv=["sh", "-c", "rm $ORCH_SPEC && mkdir $ORCH_SPEC"]))
    scene.orch(*WORKER, "--slots", "1")
    assert list(scene.kinds("exp").values()) == [["done"]]
