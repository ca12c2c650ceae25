"""`orch logs`: what jobs have printed, and on as they print it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from jobs import layout
from jobs.errors import InputError
from jobs.records import End
from orchestrator.logs import follow
from tests.jobs.registers import EXPERIMENT, Root
from tests.orchestrator.scene import WORKER, Scene, error_line, grid
from tests.orchestrator.waiting import wait_until

# Prints, and goes on when it is told to.
STEPS = """
import os, sys, time
print("first", flush=True)
while not os.path.exists("go"): time.sleep(0.02)
print("last" if os.environ["ORCH_RESUME"] else "asks to be tried again", flush=True)
sys.exit(0 if os.environ["ORCH_RESUME"] else 75)
"""


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path)
    root.plan("a-1")
    return root


def logged(root: Root, job: str = "a-1", *, is_followed: bool = False, attempt: int | None = None) -> tuple[str, str]:
    """What was printed of the log, and what was told about it."""
    written: list[bytes] = []
    told: list[str] = []
    follow(root.path, job, follow=is_followed, write=written.append, tell=told.append, attempt=attempt)
    return b"".join(written).decode(), "\n".join(told)


def leave_log(root: Root, attempt: int, sid: str, text: str) -> Path:
    path = f"{layout.attempt_folder(EXPERIMENT, 'a-1', attempt, sid)}/{layout.LOG_FILE}"
    root.write(path, text.encode())
    return root.path / path


def test_a_log_is_followed_while_it_grows_into_the_next_attempt_until_the_job_is_over(scene: Scene) -> None:
    scene.plan("prog", grid(kind="command", argv=["python", "-c", STEPS]))
    job = scene.job("prog")
    following = scene.start("logs", "-f", job)
    wait_until(lambda: "waiting: not tried yet" in following.said(), "it says why there is none")
    worker = scene.start(*WORKER, "--slots", "1")
    wait_until(lambda: "first" in following.said(), "it shows what a running attempt prints")
    assert "asks" not in following.said()
    running, _ = scene.orch("logs", job)
    assert running == "first\n"
    (scene.folder / "go").touch()
    assert following.wait() == 0
    assert worker.wait() == 0
    heads = [line for line in following.said().splitlines() if line.startswith("==>")]
    assert ["attempt 1 " in heads[0], "attempt 2 " in heads[1], len(heads)] == [True, True, 2]
    printed = [line for line in following.said().splitlines() if job not in line]
    assert printed == ["first", "asks to be tried again", "first", "last"]
    assert following.said().splitlines()[-1] == f"{job}: done"
    assert scene.orch("logs", job, "--attempt", "1")[0] == "first\nasks to be tried again\n"
    assert scene.orch("logs", job)[0] == "first\nlast\n"


def test_an_interrupt_ends_it_quietly(scene: Scene) -> None:
    scene.plan("one", grid(kind="call", target="deeds:append"))
    following = scene.start("logs", "-f", scene.job("one"))
    wait_until(lambda: "waiting" in following.said(), "it waits")
    following.process.send_signal(signal.SIGINT)
    assert following.wait() in {0, 130}
    assert "Traceback" not in following.said()


def test_what_a_function_printed_is_there_when_it_has_ended(scene: Scene) -> None:
    scene.plan("tells", grid(kind="call", target="deeds:tell", params__text=["hello", ""]))
    loud, quiet = (job.id for job in scene.jobs("tells"))
    scene.orch(*WORKER)
    assert scene.orch("logs", loud)[0] == "hello\n"
    said, about = scene.orch("logs", quiet, "-f")
    assert said == ""
    assert about.splitlines()[1:] == ["attempt 1 printed nothing, and ended done", f"{quiet}: done"]


def test_a_job_that_is_cancelled_while_it_waits_ends_it(scene: Scene) -> None:
    scene.plan("one", grid(kind="call", target="deeds:append"))
    following = scene.start("logs", "-f", scene.job("one"))
    wait_until(lambda: "waiting" in following.said(), "it waits")
    scene.orch("cancel", scene.job("one"), "-y")
    assert following.wait() == 0
    assert following.said().splitlines()[-1] == f"{scene.job('one')}: cancelled"


@pytest.mark.parametrize(
    ("kinds", "last"),
    [
        ([End.DONE], "a-1: done"),
        ([End.FAILED, End.DONE], "a-1: done"),
        ([End.FAILED, End.CANCELLED], "a-1: cancelled"),
        ([End.FAILED, End.FAILED, End.FAILED], "a-1: failed"),
        ([End.NAN], "a-1: failed"),
    ],
)
def test_a_job_that_is_over_is_followed_to_its_end_at_once(root: Root, kinds: list[End], last: str) -> None:
    who = root.session()
    root.attempts("a-1", who, *kinds)
    for attempt in range(1, len(kinds) + 1):
        leave_log(root, attempt, who.sid, f"{attempt}\n")
    written, told = logged(root, is_followed=True)
    assert written == f"{len(kinds)}\n"
    assert told.splitlines()[-1] == last
    assert logged(root, is_followed=True, attempt=1)[0] == "".join(f"{n}\n" for n in range(1, len(kinds) + 1))


def test_the_newest_attempt_is_the_newest_that_was_claimed(root: Root) -> None:
    """A cancelled end may stand for an attempt that nobody claimed: it has no log."""
    who = root.session()
    root.attempts("a-1", who, End.FAILED)
    leave_log(root, 1, who.sid, "one\n")
    root.end("a-1", 2, End.CANCELLED)
    written, told = logged(root, is_followed=True)
    assert (written, told.splitlines()[-1]) == ("one\n", "a-1: cancelled")


def test_a_log_that_is_cut_or_replaced_is_printed_from_its_start(root: Root) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    log = leave_log(root, 1, who.sid, "a long first line\n")
    written: list[str] = []

    def write(data: bytes) -> None:
        """Each time it has shown something, something else is there."""
        written.append(data.decode())
        if len(written) == 1:
            log.write_text("cut\n")
        elif len(written) == 2:
            log.with_name("new").write_text("replaced by a longer one\n")
            log.with_name("new").rename(log)
        elif len(written) == 3:
            root.end("a-1", 1, End.DONE)

    follow(root.path, "a-1", follow=True, write=write, tell=lambda _line: None)
    assert written == ["a long first line\n", "cut\n", "replaced by a longer one\n"]


def test_an_attempt_that_begins_and_ends_while_another_is_read_is_not_passed_over(root: Root) -> None:
    who = root.session()
    root.claim("a-1", 1, who)
    root.end_session(who)
    log = leave_log(root, 1, who.sid, "begins\n")
    written: list[str] = []

    def tell(line: str) -> None:
        if line == "a-1: silent":
            log.write_text("begins\nends\n")
            root.end("a-1", 1, End.EVICTED)

    def write(data: bytes) -> None:
        """The second time the folder has been listed already, and shows no second attempt."""
        written.append(data.decode())
        if len(written) == 2:
            leave_log(root, 2, who.sid, "next\n")
            root.attempts("a-1", who, End.DONE, after=1)

    follow(root.path, "a-1", follow=True, write=write, tell=tell)
    assert written == ["begins\n", "ends\n", "next\n"]


def test_why_there_is_no_log(root: Root) -> None:
    who = root.session()
    assert logged(root) == ("", "a-1: waiting: not tried yet")
    root.claim("a-1", 1, who)
    assert "attempt 1 has printed nothing yet; what a function prints is kept when it ends" in logged(root)[1]
    root.end("a-1", 1, End.FAILED, error="no luck", folder=f"{EXPERIMENT}/jobs/a-1/0001-{who.sid}")
    assert f"the folder of attempt 1 is gone: {EXPERIMENT}/jobs/a-1/0001-{who.sid}" in logged(root)[1]
    root.claim("a-1", 2, who)
    root.end("a-1", 2, End.RELEASED, error="the worker left")
    assert "attempt 2 printed nothing, and ended released: the worker left" in logged(root)[1]


def test_an_attempt_that_is_not_there_is_an_error_of_its_user(scene: Scene) -> None:
    scene.plan("one", grid(kind="call", target="deeds:append"))
    scene.orch(*WORKER)
    job = scene.job("one")
    _, complaint = scene.orch("logs", job, "--attempt", "7", expect=2)
    assert error_line(complaint) == f"error: {job} has no attempt 7; there are 1"
    with pytest.raises(InputError):
        follow(scene.root, "zzz", follow=False, write=lambda _: None, tell=lambda _: None)
