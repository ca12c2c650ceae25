"""Cancel and requeue on a real folder, and where the folder does not answer plainly."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import layout
from jobs.records import End, EndRecord, decode_end, is_fresh_void
from jobs.store import Failed, FolderStore, List, Make, Put, Reply, Unlink, Won, carry_out
from jobs.verbs import Answer, Cancel, Commanded, Requeue
from tests.jobs.scripts import play

JOB = ("exp", "job")
TEMP = layout.command_temp("token")


class Registers:
    """A job's registers in a real folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, FolderStore(root)

    def write(self, path: str, data: bytes = b"{}") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def claim(self, *attempts: int) -> None:
        for attempt in attempts:
            self.write(layout.claim(*JOB, attempt))

    def end(self, attempt: int, kind: End) -> None:
        self.write(layout.end(*JOB, attempt), EndRecord(kind, {}).encode())

    def kind(self, attempt: int) -> End:
        return decode_end((self.root / layout.end(*JOB, attempt)).read_bytes()).kind

    def cancel(self) -> Commanded:
        result: Commanded = carry_out(Cancel(*JOB, TEMP), self.store)
        return result

    def requeue(self, *, fresh: bool | None = None) -> Commanded:
        result: Commanded = carry_out(Requeue(*JOB, TEMP, fresh=fresh), self.store)
        return result


@pytest.fixture
def registers(tmp_path: Path) -> Registers:
    return Registers(tmp_path)


# --- cancel ---------------------------------------------------------------------------------------------------------


def test_a_job_that_nobody_tried_is_cancelled_before_its_first_attempt(registers: Registers) -> None:
    assert registers.cancel() == Commanded(Answer.TAKEN, 1)
    assert registers.kind(1) is End.CANCELLED
    assert not (registers.root / TEMP).exists()


def test_a_running_job_is_cancelled_at_its_open_attempt(registers: Registers) -> None:
    registers.claim(1, 2)
    registers.end(1, End.EVICTED)
    assert registers.cancel() == Commanded(Answer.TAKEN, 2)
    assert registers.kind(2) is End.CANCELLED


@pytest.mark.parametrize("kind", [End.FAILED, End.EVICTED, End.PREEMPTED, End.NAN])
def test_a_waiting_job_is_cancelled_at_the_attempt_that_would_come_next(registers: Registers, kind: End) -> None:
    registers.claim(1)
    registers.end(1, kind)
    assert registers.cancel() == Commanded(Answer.TAKEN, 2)


@pytest.mark.parametrize(("kind", "answer"), [(End.DONE, Answer.IS_DONE), (End.CANCELLED, Answer.IS_CANCELLED)])
def test_what_is_final_is_not_cancelled(registers: Registers, kind: End, answer: Answer) -> None:
    registers.claim(1)
    registers.end(1, kind)
    assert registers.cancel() == Commanded(answer, 1)
    assert not (registers.root / layout.end(*JOB, 2)).exists()


def test_a_requeued_done_job_can_be_cancelled(registers: Registers) -> None:
    registers.claim(1)
    registers.end(1, End.DONE)
    registers.requeue()
    assert registers.cancel() == Commanded(Answer.TAKEN, 2)


def test_a_cancel_that_comes_second_decides_again_by_what_stands(registers: Registers) -> None:
    """The attempt ends as done between the listing and the put; no listing need show that end yet."""
    claimed = (f"{JOB[1]}.0001",)
    done = EndRecord(End.DONE, {}).encode()
    replies: list[Reply] = [None, claimed, Won.THEIRS, claimed, done, None]
    requests, result = play(Cancel(*JOB, TEMP), replies)
    assert result == Commanded(Answer.IS_DONE, 1)
    assert [request for request in requests if isinstance(request, Put)] == [Put(TEMP, layout.end(*JOB, 1))]


def test_a_cancel_of_unknown_outcome_is_put_again_from_the_same_file(registers: Registers) -> None:
    requests, result = play(Cancel(*JOB, TEMP), [None, (), Won.UNKNOWN, Won.UNKNOWN, Won.MINE, None, None])
    assert result == Commanded(Answer.TAKEN, 1)
    assert len({request for request in requests if isinstance(request, Put)}) == 1
    assert sum(isinstance(request, Make) for request in requests) == 1


@pytest.mark.parametrize(
    "replies", [[Failed("full"), None], [None, Failed("away"), None], [None, (), Won.MINE, Failed("not on disk"), None]]
)
def test_a_cancel_says_when_the_folder_did_not_answer(replies: list[Reply]) -> None:
    requests, result = play(Cancel(*JOB, TEMP), replies)
    assert result.answer is Answer.UNKNOWN
    assert requests[-1] == Unlink(TEMP)


def test_a_cancel_that_stays_unknown_ends(registers: Registers) -> None:
    _, result = play(Cancel(*JOB, TEMP), [None, (), *[Won.UNKNOWN] * 5, None])
    assert result.answer is Answer.UNKNOWN


# --- requeue --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fresh", "is_fresh"),
    [(End.DONE, None, True), (End.FAILED, None, False), (End.DONE, False, False), (End.CANCELLED, True, True)],
)
def test_a_requeue_takes_back_the_newest_end(
    registers: Registers, kind: End, fresh: bool | None, is_fresh: bool
) -> None:
    registers.claim(1, 2)
    registers.end(1, End.FAILED)
    registers.end(2, kind)
    assert registers.requeue(fresh=fresh) == Commanded(Answer.TAKEN, 2)
    assert is_fresh_void((registers.root / layout.void(*JOB, 2)).read_bytes()) is is_fresh
    assert not (registers.root / TEMP).exists()


def test_a_running_job_is_not_requeued(registers: Registers) -> None:
    registers.claim(1, 2)
    registers.end(1, End.FAILED)
    assert registers.requeue() == Commanded(Answer.IS_RUNNING, 2)


def test_a_job_without_an_end_or_with_a_void_one_waits_already(registers: Registers) -> None:
    assert registers.requeue() == Commanded(Answer.IS_WAITING, 0)
    registers.claim(1)
    registers.end(1, End.FAILED)
    assert registers.requeue().answer is Answer.TAKEN
    assert registers.requeue() == Commanded(Answer.IS_WAITING, 1)


def test_a_requeue_names_what_was_claimed_meanwhile() -> None:
    """Such an attempt may have resumed from what the void forbids."""
    before, after = ("job.0001", "job.0001.end"), ("job.0001", "job.0001.end", "job.0001.void", "job.0002")
    failed = EndRecord(End.FAILED, {}).encode()
    requests, result = play(Requeue(*JOB, TEMP), [before, failed, None, Won.MINE, None, after, None])
    assert result == Commanded(Answer.TAKEN, 1, (2,))
    assert sum(isinstance(request, List) for request in requests) == 2


def test_two_requeues_at_once_come_to_one_void() -> None:
    names, failed = ("job.0001", "job.0001.end"), EndRecord(End.FAILED, {}).encode()
    _, result = play(Requeue(*JOB, TEMP), [names, failed, None, Won.THEIRS, None, names, None])
    assert result == Commanded(Answer.TAKEN, 1)


def test_a_requeue_whose_end_cannot_be_read_changes_nothing() -> None:
    requests, result = play(Requeue(*JOB, TEMP), [("job.0001", "job.0001.end"), Failed("away")])
    assert result.answer is Answer.UNKNOWN
    assert not any(isinstance(request, Put | Make) for request in requests)


def test_a_requeue_that_may_not_be_on_disk_is_not_called_done() -> None:
    names, failed = ("job.0001", "job.0001.end"), EndRecord(End.FAILED, {}).encode()
    requests, result = play(Requeue(*JOB, TEMP), [names, failed, None, Won.MINE, Failed("not on disk"), None])
    assert result.answer is Answer.UNKNOWN
    assert requests[-1] == Unlink(TEMP)
