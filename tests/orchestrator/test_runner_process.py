from __future__ import annotations

import signal
import threading
from pathlib import Path

from jobs.spec import JobSpec
from orchestrator.attempt import Attempt, message_for
from orchestrator.runner_process import RunnerProcess
from tests.orchestrator.scene import is_alive
from tests.orchestrator.waiting import wait_until


def test_closing_a_runner_ends_what_its_program_started_even_before_it_was_heard_of(tmp_path: Path) -> None:
    script = f"sleep 200 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait"
    spec = JobSpec(id="c-3", kind="command", content={"argv": ["sh", "-c", script]})
    runner = RunnerProcess(tmp_path, 1)
    runner.run(Attempt("e", spec, 1, tmp_path), message_for(Attempt("e", spec, 1, tmp_path), tmp_path))
    wait_until((tmp_path / "pid").exists, "the program runs")
    sleep = int((tmp_path / "pid").read_text())
    assert runner.group is None  # nothing was read from it yet
    runner.process.send_signal(signal.SIGSTOP)  # so that it is slow to hear of the end
    threading.Timer(0.2, runner.process.send_signal, [signal.SIGCONT]).start()
    runner.close()
    wait_until(lambda: not is_alive(sleep), "what it started is gone")
