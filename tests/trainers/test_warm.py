"""Attempts forked from a process that has done the imports: the same as attempts that do their own."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.attempts import DEADLINE_SECONDS, document, result, wait_until
from trainers.errors import EXIT_PREEMPTED
from trainers.warm import unfit

DIGITS = document({"epochs": 1}, dataset={"name": "digits"}, imbalance={"type": "none"}, val={"per_class": 10})
LONG = document({"epochs": 1000})


@dataclass
class Server:
    """The asking end of a warm process."""

    process: subprocess.Popen[bytes]
    line: socket.socket

    def ask(self, folder: Path, arguments: Sequence[str], holds: Sequence[int] = ()) -> int:
        """Have an attempt forked, with `folder` for its log and its progress; its pid."""
        folder.mkdir(exist_ok=True)
        environment = {"ORCH_PROGRESS": str(folder / "progress.json"), "CUDA_VISIBLE_DEVICES": ""}
        with (folder / "log.txt").open("ab") as log:
            request = {"arguments": arguments, "environment": environment}
            socket.send_fds(self.line, [json.dumps(request).encode()], [log.fileno(), *holds])
        return int(self.hear()["pid"])

    def train(self, folder: Path, spec: Mapping[str, Any], earlier: Sequence[Path] = (), **options: Any) -> int:
        return self.ask(folder, words(folder, spec, earlier), **options)

    def hear(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.line.recv(1 << 16))
        return found

    def status(self) -> int:
        return int(self.hear()["status"])


def words(folder: Path, spec: Mapping[str, Any], earlier: Sequence[Path] = ()) -> list[str]:
    """The arguments of `trainers.run`."""
    folder.mkdir(exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    return [str(folder / "spec.json"), str(folder), *(["--resume", *map(str, earlier)] if earlier else [])]


def start(*options: str) -> Server:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(DEADLINE_SECONDS)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "trainers.warm", str(theirs.fileno()), *options],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return Server(process, ours)


@pytest.fixture(scope="module")
def server(tiny: Path) -> Iterator[Server]:
    started = start()
    yield started
    started.line.close()
    assert started.process.wait(DEADLINE_SECONDS) == 0


def without_times(folder: Path) -> tuple[str, list[dict[str, str]]]:
    """The log and the metrics of an attempt, less what is measured by the clock."""
    log = re.sub(r"[\d.,]+ (s|images/s)\b", r"_ \1", (folder / "log.txt").read_text())
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    return log, [{name: cell for name, cell in row.items() if "second" not in name} for row in rows]


def test_a_forked_attempt_leaves_the_bits_and_the_log_of_one_that_was_executed(server: Server, tmp_path: Path) -> None:
    executed, forked, again = (tmp_path / name for name in ("executed", "forked", "again"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    argv = [sys.executable, "-P", "-m", "trainers.run", *words(executed, DIGITS)]
    with (executed / "log.txt").open("ab") as log:
        subprocess.run(argv, env=environment, stdout=log, stderr=log, check=True)
    for folder in (forked, again):
        server.train(folder, DIGITS)
        assert server.status() == 0, (folder / "log.txt").read_text()
        assert result(folder)["weights_sha256"] == result(executed)["weights_sha256"]
        assert without_times(folder) == without_times(executed)
        assert (folder / "predictions.npz").read_bytes() == (executed / "predictions.npz").read_bytes()
        assert (folder / "curves.png").read_bytes() == (executed / "curves.png").read_bytes()
        left = {path.name for path in folder.iterdir()} - {"progress.json"}
        assert left == {path.name for path in executed.iterdir()}


def test_an_attempt_is_a_process_of_its_own_in_a_group_of_its_own_and_the_server_stays_fit(
    server: Server, tmp_path: Path
) -> None:
    pid = server.train(tmp_path / "one", LONG)
    wait_until((tmp_path / "one" / "progress.json").exists, "the first step")
    assert os.getpgid(pid) == pid
    assert os.getsid(pid) == os.getsid(server.process.pid)
    log = str(tmp_path / "one" / "log.txt")
    opened = {int(entry.name): str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    assert (opened[0], opened[1], opened[2]) == ("/dev/null", log, log)
    assert not any(target.startswith("socket") for target in opened.values())
    os.killpg(pid, signal.SIGKILL)
    assert server.status() == -signal.SIGKILL
    assert len(list(Path(f"/proc/{server.process.pid}/task").iterdir())) == 1


def test_an_attempt_that_is_asked_to_stop_saves_and_another_goes_on_from_there(server: Server, tmp_path: Path) -> None:
    whole, first, second = (tmp_path / name for name in ("whole", "first", "second"))
    spec = document({"epochs": 2, "batch_size": 2})
    server.train(whole, spec)
    assert server.status() == 0
    pid = server.train(first, spec)
    wait_until((first / "progress.json").exists, "the first step")
    os.kill(pid, signal.SIGTERM)
    assert server.status() == EXIT_PREEMPTED
    assert json.loads((first / "failure.json").read_text())["kind"] == "preempted"
    server.train(second, spec, [first])
    assert server.status() == 0
    assert "resumed after epoch 0" in (second / "log.txt").read_text()
    assert result(second)["weights_sha256"] == result(whole)["weights_sha256"]


def test_a_signal_at_once_ends_an_attempt_as_preempted(server: Server, tmp_path: Path) -> None:
    for number in range(20):  # wherever it is by then
        pid = server.train(tmp_path / f"{number}", LONG)
        os.kill(pid, signal.SIGTERM)
        assert server.status() == EXIT_PREEMPTED, (tmp_path / f"{number}" / "log.txt").read_text()


def test_what_an_attempt_holds_is_free_when_it_has_ended(server: Server, tmp_path: Path) -> None:
    def is_free() -> bool:
        with (tmp_path / "lock").open("ab") as mine:
            try:
                fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with (tmp_path / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pid = server.train(tmp_path / "one", LONG, holds=[lock.fileno()])
    assert not is_free()
    os.kill(pid, signal.SIGKILL)
    server.status()
    assert is_free()


def test_bad_input_is_one_line_in_the_log(server: Server, tmp_path: Path) -> None:
    server.train(tmp_path / "spec", {**LONG, "loss": {"name": "no-such-loss"}})
    assert server.status() == 1
    (line,) = (tmp_path / "spec" / "log.txt").read_text().splitlines()
    assert line.startswith("error: ")
    assert "no-such-loss" in line
    server.ask(tmp_path / "words", ["--no-such-option"])
    assert server.status() == 2
    assert "usage: python -m trainers.run" in (tmp_path / "words" / "log.txt").read_text()


@pytest.mark.usefixtures("tiny")
def test_it_leaves_when_nothing_is_asked_for_a_while(tmp_path: Path) -> None:
    server = start("--idle", "0.01")
    server.ask(tmp_path, ["--help"])  # asked for while it does its imports, so in time
    assert server.status() == 0
    assert server.process.wait(DEADLINE_SECONDS) == 0
    assert server.line.recv(1) == b""
    server.line.close()


def test_a_process_with_a_second_thread_is_not_forked() -> None:
    may_end = threading.Event()
    thread = threading.Thread(target=may_end.wait)
    thread.start()
    try:
        assert "thread" in unfit()
    finally:
        may_end.set()
        thread.join()
