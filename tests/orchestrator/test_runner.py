"""The runner, driven over its two pipes as a worker drives it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.leavings import collect
from orchestrator.raised import one_line
from orchestrator.runner import _left_in
from tests.orchestrator.scene import Scene, is_alive, marked
from tests.orchestrator.waiting import PATIENCE_SECONDS, wait_until


@dataclass
class Line:
    """The worker's end of the pipes to one runner."""

    process: subprocess.Popen[bytes]
    runs: int
    signals: int
    replies: int
    mark: str
    output: Path
    number: int = 0
    rest: bytes = b""
    heard: list[dict[str, Any]] = field(default_factory=list)

    def run(self, **message: Any) -> None:
        os.write(self.runs, json.dumps({"run": self.number, "attempt": self.number, **message}).encode() + b"\n")

    def call(self, target: str, folder: Path | None = None, **arguments: Any) -> None:
        self.number += 1
        env = {"ORCH_FOLDER": str(folder or self.output.parent / "none"), "ORCH_RESUME": ""}
        self.run(kind="call", target=target, arguments=arguments, env=env)

    def program(self, *argv: str, locks: tuple[Path, ...] = ()) -> None:
        self.number += 1
        env = {"ORCH_FOLDER": str(self.output.parent / "none")}
        log = str(self.output.parent / "log.txt")
        words = {"argv": argv, "env": env, "log": log, "locks": [str(path) for path in locks]}
        self.run(kind="process", **words)

    def stop(self, number: signal.Signals = signal.SIGTERM, later: int = 0) -> None:
        """Signal the run that was asked for last, or one `later`."""
        os.write(self.signals, json.dumps({"run": self.number + later, "signal": int(number)}).encode() + b"\n")

    def close(self) -> None:
        os.close(self.runs)
        os.close(self.signals)

    def hear(self, event: str = "ended") -> dict[str, Any]:
        """The next event of that sort; others before it are passed over."""
        while True:
            while b"\n" not in self.rest:
                ready, _, _ = select.select([self.replies], [], [], PATIENCE_SECONDS)
                assert ready, "the runner says nothing"
                data = os.read(self.replies, 1 << 16)
                assert data, f"the runner is gone: {self.output.read_text()}"
                self.rest += data
            text, _, self.rest = self.rest.partition(b"\n")
            found: dict[str, Any] = json.loads(text)
            if found["event"] == event:
                assert found["attempt"] == self.number
                return found


@pytest.fixture
def line(scene: Scene) -> Iterator[Line]:
    their_runs, runs = os.pipe()
    their_signals, signals = os.pipe()
    replies, their_replies = os.pipe()
    theirs = (their_runs, their_signals, their_replies)
    mark, output = f"{scene.folder}:runner", scene.folder / "printed.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestrator.runner", *map(str, theirs)],
            cwd=scene.folder,
            env=scene.environment(mark),
            stdout=file,
            stderr=file,
            pass_fds=theirs,
            process_group=0,
        )
    for descriptor in theirs:
        os.close(descriptor)
    yield Line(process, runs, signals, replies, mark, output)
    for pid in marked(mark):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def test_a_returned_dict_is_the_result_and_any_other_value_is_put_into_one(line: Line) -> None:
    for what, summary in {"dict": {"loss": 0.5}, "int": {"value": 7}, "none": {"value": None}}.items():
        line.call("deeds:give", what=what)
        ended = line.hear()
        assert (ended["verdict"], ended["summary"]) == ("done", summary)


@pytest.mark.parametrize(
    ("target", "arguments", "error"),
    [
        ("nowhere:f", {}, "ModuleNotFoundError: No module named 'nowhere'"),
        ("deeds:nothing", {}, "AttributeError: module 'deeds' has no attribute 'nothing'"),
        ("deeds:fail", {"text": "no luck"}, "RuntimeError: no luck"),
        ("deeds:fail", {}, "TypeError: fail() missing 1 required positional argument: 'text'"),
        ("deeds:exit_with", {"code": 3}, "SystemExit: the function left with 3"),
        ("deeds:give", {"what": "set"}, "TypeError: Object of type set is not JSON serializable"),
        ("deeds:give", {"what": "nan"}, "ValueError: Out of range float values are not JSON compliant"),
    ],
)
def test_a_call_that_goes_wrong_fails_with_one_line(
    line: Line, target: str, arguments: dict[str, Any], error: str
) -> None:
    line.call(target, **arguments)
    ended = line.hear()
    assert ended["verdict"] == "failed"
    assert ended["error"].startswith(error)
    line.call("deeds:give", what="int")
    assert line.hear()["verdict"] == "done"


def test_functions_are_called_in_one_process_that_keeps_their_module(line: Line) -> None:
    line.call("os:getpid")
    assert line.hear()["summary"] == {"value": line.process.pid}
    line.call("deeds:modules")
    assert "deeds" in line.hear()["summary"]["value"]


def test_a_signal_stops_a_function_even_one_that_catches_every_exception(line: Line, scene: Scene) -> None:
    line.call("deeds:sleep_on")
    scene.wait_for("sleeps")
    line.stop()
    assert line.hear()["verdict"] == "preempted"
    line.call("deeds:give", what="int")
    assert line.hear()["verdict"] == "done"


def test_a_signal_right_behind_the_start_is_not_lost(line: Line) -> None:
    line.call("deeds:sleep_on")
    line.stop()
    assert line.hear()["verdict"] == "preempted"
    line.program("sleep", "200")
    line.stop()
    ended = line.hear()
    assert (ended["verdict"], ended["status"]) == ("failed", -signal.SIGTERM)


def test_a_signal_that_overtakes_its_run_stops_that_run_and_no_other(line: Line) -> None:
    """They come by different pipes."""
    line.stop(later=2)
    line.call("deeds:give", what="int")
    assert line.hear()["verdict"] == "done"
    line.call("deeds:sleep_on")
    assert line.hear()["verdict"] == "preempted"


def test_a_signal_for_an_attempt_that_is_over_does_not_hit_the_next(line: Line) -> None:
    line.call("deeds:give", what="int")
    line.hear()
    line.stop()
    line.call("deeds:give", what="dict")
    assert line.hear()["verdict"] == "done"
    line.stop()
    line.program("true")
    assert line.hear()["verdict"] == "done"


def test_what_a_function_printed_is_on_disk_when_it_kills_its_process(line: Line) -> None:
    line.call("deeds:kill_itself")
    assert line.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert line.output.read_text() == "the last words\n"


def test_a_runner_that_hears_no_more_of_its_worker_ends_its_program_and_itself(line: Line, scene: Scene) -> None:
    line.program("sh", "-c", "sleep 200 & echo $! > new; mv new pid; wait")
    sleep = int(scene.wait_for("pid"))
    line.close()
    assert line.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    wait_until(lambda: not is_alive(sleep) and not marked(line.mark), "nothing is left")


def test_a_runner_that_hears_no_more_of_its_worker_ends_its_function_and_what_that_started(
    line: Line, scene: Scene
) -> None:
    line.call("deeds:hang_once", i=0)
    scene.wait_for("call-hangs")
    assert len(marked(line.mark)) == 2
    line.close()
    assert line.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    wait_until(lambda: not marked(line.mark), "nothing is left")


def test_a_program_dies_with_its_runner_by_the_kernel_s_doing(line: Line, scene: Scene) -> None:
    line.program("sh", "-c", "echo $$ > new; mv new pid; exec sleep 200")
    sleep = int(scene.wait_for("pid"))
    line.process.kill()
    wait_until(lambda: not is_alive(sleep), "the program is gone")


def test_what_a_program_leaves_running_ends_with_it(line: Line, scene: Scene) -> None:
    line.program("sh", "-c", "sleep 200 & echo $! > pid")
    assert line.hear()["verdict"] == "done"
    sleep = int((scene.folder / "pid").read_text())
    wait_until(lambda: not is_alive(sleep), "the sleep is gone")


def test_a_program_that_is_not_there_fails(line: Line) -> None:
    line.program("no-such-program", "x")
    ended = line.hear()
    assert (ended["verdict"], ended["error"]) == ("failed", "no-such-program: No such file or directory")


@pytest.mark.parametrize(("status", "verdict"), [(0, "done"), (1, "failed"), (75, "preempted")])
def test_the_exit_status_of_a_program_is_its_verdict(line: Line, status: int, verdict: str) -> None:
    line.program("sh", "-c", f"exit {status}")
    ended = line.hear()
    assert (ended["verdict"], ended["status"]) == (verdict, status)


def test_collect_lists_every_file_with_its_size_and_hash_but_the_log_and_links(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    files = {"b.txt": b"abc", "deep/log.txt": b"", "a.bin": bytes(1 << 20)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "log.txt").write_text("left out")
    (tmp_path / "link").symlink_to("b.txt")
    listed = collect(tmp_path)["files"]
    assert listed == sorted((name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items())
    assert listed[1][2] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"


def test_collect_leaves_out_nothing_that_it_cannot_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record without a file that lies there would be accepted for good."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "weights.bin").write_bytes(b"w")
    real = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("deep"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path)

    with monkeypatch.context() as broken:
        broken.setattr(os, "scandir", scandir)
        with pytest.raises(OSError, match="Input/output error"):
            collect(tmp_path)
    assert [name for name, *_ in collect(tmp_path)["files"]] == ["deep/weights.bin"]


def test_collect_finds_nothing_where_there_is_no_folder(tmp_path: Path) -> None:
    assert collect(tmp_path / "none") == {}


def test_an_exception_becomes_one_short_line() -> None:
    assert one_line(ValueError("bad\nworse")) == "worse"
    assert one_line(KeyError("x")) == "KeyError: 'x'"
    assert len(one_line(ValueError("x" * 9999))) == 500
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_a_folder_that_cannot_be_looked_at_for_a_moment_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(b"computed")
    look = os.stat
    refused: list[str] = []

    def refuse_once(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if path == str(tmp_path) and not refused:
            refused.append(path)
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return look(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refuse_once)
    files = _left_in(str(tmp_path))["files"]
    assert [name for name, *_ in files] == ["weights.bin"]
    assert refused
