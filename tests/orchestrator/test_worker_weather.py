"""Real workers whose folder takes no more data for a while: nothing is lost, and nothing is claimed in vain.

The disk is full for one process alone: the system lets nobody else's files down, and no root is needed.
"""

from __future__ import annotations

import json
import os
import resource
import signal

import pytest

from jobs import layout
from jobs.records import End, EndRecord
from tests.orchestrator.scene import WORKER, Scene, Started, grid
from tests.orchestrator.waiting import wait_until


def fill(worker: Started) -> None:
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def make_room(worker: Started) -> None:
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


# What the worker says goes through another process, which has room.
HEARD = ("bash", "-c", 'exec "$0" "$@" > >(exec cat) 2>&1')


def start_hanging(scene: Scene, jobs: int = 3) -> Started:
    """A worker inside the first of some jobs, which goes on when it is told to."""
    scene.plan("exp", grid(kind="call", target="deeds:hang_once", params__i=list(range(jobs))))
    worker = scene.start(*WORKER, "--slots", "1", before=HEARD)
    wait_until((scene.folder / "call-hangs").exists, "the first job hangs")
    return worker


def open_attempts(scene: Scene) -> int:
    registers = [path.suffix for path in (scene.root / "exp" / layout.LOG).glob("*/*")]
    return len(registers) - 2 * registers.count(".end")


def end_session(scene: Scene) -> str:
    """As another worker would that saw its lease stand still."""
    (note,) = (scene.root / layout.SESSIONS).glob("*.json")
    evicted = scene.root / layout.command_temp("evicted")
    evicted.write_bytes(EndRecord(End.EVICTED, {"by": "test"}).encode())
    os.link(evicted, scene.root / layout.session_end(note.stem))
    return note.stem


def test_a_result_is_kept_until_the_full_disk_has_room_again(scene: Scene) -> None:
    worker = start_hanging(scene, jobs=4)
    fill(worker)
    (scene.folder / "go").touch()
    wait_until(lambda: "waiting for the folder: " in worker.said(), "the worker says what it waits for")
    # A slot takes its next job before the end of the last one is put; that put told that there is no room.
    assert open_attempts(scene) <= 2, "a worker that knows that it cannot write claims nothing"
    make_room(worker)
    assert worker.wait() == 0
    assert set(map(tuple, scene.kinds("exp").values())) == {("done",)}
    assert "the folder is back after" in worker.said()
    assert sorted((scene.folder / "lines.txt").read_text().split()) == ["0", "1", "2", "3"]


def test_a_session_lost_on_a_full_disk_is_followed_by_another_when_there_is_room(scene: Scene) -> None:
    worker = start_hanging(scene)
    fill(worker)
    lost = end_session(scene)
    wait_until(lambda: f"session {lost} was ended" in worker.said(), "the worker finds out")
    wait_until(lambda: "waiting for the folder: " in worker.said(), "the worker says what it waits for")
    (scene.folder / "go").touch()
    make_room(worker)
    assert worker.wait() == 0
    assert "goes on" in worker.said()
    ends = [end for ends in scene.ends("exp").values() for end in ends.values()]
    assert [end.kind for end in ends] == [End.DONE] * 3, "nobody ended the attempt that ran, so it was published"
    assert len({path.stem for path in (scene.root / layout.SESSIONS).glob("*.end")}) == 2


def test_a_worker_told_twice_to_stop_leaves_a_full_disk_and_the_job_to_others(scene: Scene) -> None:
    worker = start_hanging(scene, jobs=1)
    fill(worker)
    (scene.folder / "go").touch()
    wait_until(lambda: "waiting for the folder: " in worker.said(), "the worker says what it waits for")
    worker.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "no new jobs" in worker.said(), "the worker has heard")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    worker.wait_until_nothing_is_left()
    assert list(scene.kinds("exp").values()) == [["released"]], "its ready-made ticket needs no room"
    scene.orch(*WORKER, "--slots", "1")
    assert list(scene.kinds("exp").values()) == [["released", "done"]]


def test_a_program_that_fails_on_a_full_disk_is_tried_again_and_not_failed(scene: Scene) -> None:
    scene.plan(
        "exp",
        grid(kind="command", argv=["sh", "-c", "mkdir first || exit 0; echo $$ > new; mv new pid; exec sleep 200"]),
    )
    worker = scene.start(*WORKER, "--slots", "1", before=HEARD)
    wait_until((scene.folder / "pid").exists, "the program runs")
    fill(worker)
    os.kill(int((scene.folder / "pid").read_text()), signal.SIGKILL)
    wait_until(lambda: "waiting for the folder: " in worker.said(), "the worker says what it waits for")
    make_room(worker)
    assert worker.wait() == 0
    assert list(scene.kinds("exp").values()) == [["released", "done"]]


def test_a_worker_whose_own_output_cannot_be_written_works_on(scene: Scene) -> None:
    """A batch system's log often lies on the very folder that is full."""
    scene.plan("exp", grid(kind="call", target="deeds:append", params__i=[0, 1]))
    worker = scene.start(*WORKER, "--slots", "1", before=("bash", "-c", 'exec "$0" "$@" > /dev/full 2>&1'))
    assert worker.wait() == 0
    assert set(map(tuple, scene.kinds("exp").values())) == {("done",)}


@pytest.mark.parametrize("told", ['{"waiting": "room"}', '{"eta_seconds": "soon", "epoch": NaN}', "[1]", "no JSON"])
def test_what_a_job_waits_for_is_told_by_status_whatever_a_program_writes(scene: Scene, told: str) -> None:
    (scene.folder / "progress").write_text(told)
    program = "cp progress $ORCH_PROGRESS; touch told; exec sleep 200"
    scene.plan("exp", grid(kind="command", argv=["sh", "-c", program]))
    worker = scene.start(*WORKER, "--slots", "1")
    wait_until((scene.folder / "told").exists, "the program has told")
    (note,) = (scene.root / layout.SESSIONS).glob("*.json")
    before = note.stat().st_ino
    wait_until(lambda: note.stat().st_ino != before, "the note is written anew")
    (state,) = json.loads(scene.orch("status", "--json")[0])["experiments"][0]["workers"]
    assert len(state["jobs"]) == 1
    assert state["waits_for"] == (["room"] if "room" in told else [])
    scene.orch("status")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
