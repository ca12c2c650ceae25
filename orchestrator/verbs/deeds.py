"""`orch cancel` and `orch requeue`: one command to each job, many at once, and what came of them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from jobs import layout
from jobs.errors import HostUnfitError, InputError, OrchError
from jobs.selecting import Chosen, JobName
from jobs.snapshot import JobState, State
from jobs.store import FolderStore
from jobs.verbs import Answer, Cancel, Commanded, Requeue
from orchestrator.verbs.bulk import Bulk, new_temp

Make = Callable[[str, str, str], Cancel | Requeue]

# What is said of jobs that a command does not touch: of one, and of several.
_REFUSALS: Final[dict[Answer, tuple[str, str]]] = {
    Answer.IS_DONE: ("is done", "are done"),
    Answer.IS_CANCELLED: ("is cancelled already", "are cancelled already"),
    Answer.IS_RUNNING: ("is running", "are running"),
    Answer.IS_WAITING: ("waits already", "wait already"),
}
_REMEDIES: Final[dict[Answer, str]] = {
    Answer.IS_DONE: "orch requeue {} if {} to run again",
    Answer.IS_CANCELLED: "orch requeue {} if {} to run again",
    Answer.IS_RUNNING: "orch cancel {} first",
    Answer.IS_WAITING: "a worker takes {} when a slot is free",
}


@dataclass(frozen=True, slots=True)
class Deed:
    """A verb that is carried out job by job.

    Attributes:
        verb, past: such as cancel, cancelled.
        make: the command to one job, from (experiment, job, private file).
        foreseen: why a job that looks so would be refused; None: it would not.
    """

    verb: str
    past: str
    make: Make
    foreseen: Callable[[JobState], Answer | None]

    def remarks(self, root: Path, chosen: Chosen) -> list[str]:  # noqa: ARG002  what is in `chosen` says enough
        """What would be refused, as it looks now.

        Raises:
            InputError: everything would be.
        """
        outcome = Outcome(self)
        for experiment, job in chosen:
            outcome.note(JobName(experiment, job.job), Commanded(self.foreseen(job) or Answer.TAKEN))
        if not outcome.taken:
            raise InputError(", ".join(outcome.reasons()))
        return [f"left alone: {reason}" for reason in outcome.reasons()]

    def carry_out(self, root: Path, chosen: Chosen, tell: Callable[[int], None]) -> Outcome:
        """Do it to every job that allows it, a shard at a time.

        After a Ctrl-C the shard under way is still gone through; a second one stops at once.

        Args:
            root: the shared folder.
            chosen: the jobs.
            tell: told how many are done.
        """
        outcome = Outcome(self, total=len(chosen))
        bulk, temp = Bulk(FolderStore(root)), new_temp()
        with _stopping() as is_stopped:
            try:
                for batch in _by_shard(chosen):
                    if is_stopped():
                        break
                    commands = [self.make(*job, temp) for job in batch]
                    for job, result in zip(batch, bulk.carry_out(commands), strict=True):
                        outcome.note(job, result)
                    tell(outcome.tried)
            except KeyboardInterrupt:
                pass
            except OrchError as error:
                outcome.trouble = error
            finally:
                bulk.tidy()
        return outcome


@dataclass
class Outcome:
    """What came of a deed.

    Attributes:
        total: how many jobs were meant; those that were not tried are the rest.
        taken: what was done.
        refused: by reason.
        unknown: where the folder did not say.
        trouble: what ended it early.
    """

    deed: Deed
    total: int = 0
    taken: list[tuple[JobName, Commanded]] = field(default_factory=list)
    refused: dict[Answer, list[JobName]] = field(default_factory=dict)
    unknown: list[JobName] = field(default_factory=list)
    trouble: OrchError | None = None

    @property
    def tried(self) -> int:
        return len(self.taken) + len(self.unknown) + sum(map(len, self.refused.values()))

    def note(self, job: JobName, result: Commanded) -> None:
        if result.answer is Answer.TAKEN:
            self.taken.append((job, result))
        elif result.answer is Answer.UNKNOWN:
            self.unknown.append(job)
        else:
            self.refused.setdefault(result.answer, []).append(job)

    def reasons(self) -> list[str]:
        """One line for each reason of a refusal, with what to do instead."""
        return [_reason(answer, jobs) for answer, jobs in self.refused.items()]

    def lines(self) -> list[str]:
        """For people."""
        jobs = [job for job, _ in self.taken]
        lines = [f"{self.deed.past} {counted(jobs)}"] if jobs else []
        for job, result in self.taken:
            if result.meanwhile:
                numbers = ", ".join(map(str, result.meanwhile))
                lines.append(f"{job.job}: attempt {numbers} was claimed meanwhile, and may have resumed")
        return lines + (self.reasons() if self.taken else [])

    def as_json(self) -> dict[str, Any]:
        refused = [
            {"experiment": job.experiment, "job": job.job, "why": answer.name.removeprefix("IS_").lower()}
            for answer, jobs in self.refused.items()
            for job in jobs
        ]
        return {
            "schema": 1,
            "verb": self.deed.verb,
            "done": [{"experiment": job.experiment, "job": job.job, "attempt": one.attempt} for job, one in self.taken],
            "refused": refused,
            "unknown": [{"experiment": job.experiment, "job": job.job} for job in self.unknown],
            "not_tried": self.total - self.tried,
        }

    def raise_if_wrong(self) -> None:
        """Give the command its exit code.

        Raises:
            HostUnfitError: the folder did not take all, or did not say so.
            InputError: all were refused.
            KeyboardInterrupt: it was stopped.
        """
        stands = f"{len(self.taken)} of {self.total} {self.deed.past}"
        if self.trouble is not None:
            raise type(self.trouble)(f"{stands}, then: {self.trouble.problem}", self.trouble.remedy)
        if self.unknown:
            problem = f"the folder did not say whether it took {len(self.unknown)} of {self.total}"
            raise HostUnfitError(problem, f"try again: orch {self.deed.verb} twice does no harm")
        if self.tried < self.total:
            raise StoppedError(f"{stands} when it was stopped", "what is done stands; run it again for the rest")
        if not self.taken:
            raise InputError(", ".join(self.reasons()))


class StoppedError(OrchError):
    """Somebody pressed Ctrl-C."""

    exit_code = 130


def _reason(answer: Answer, jobs: Sequence[JobName]) -> str:
    is_one = len(jobs) == 1
    said = f"job {jobs[0].job} {_REFUSALS[answer][0]}" if is_one else f"{len(jobs)} jobs {_REFUSALS[answer][1]}"
    words = ("it", "it is") if is_one else ("them", "they are")
    return f"{said}: " + _REMEDIES[answer].format(*words)


def counted(jobs: Sequence[JobName]) -> str:
    """How many jobs of which experiments; the id of a single one."""
    names = " and ".join(dict.fromkeys(job.experiment for job in jobs))
    return f"{jobs[0].job} of {names}" if len(jobs) == 1 else f"{len(jobs)} jobs of {names}"


def _by_shard(chosen: Chosen) -> Iterator[list[JobName]]:
    batches: dict[tuple[str, str], list[JobName]] = {}
    for experiment, job in chosen:
        batches.setdefault((experiment, layout.shard(job.job)), []).append(JobName(experiment, job.job))
    yield from batches.values()


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed; a second one is an exception, as ever."""
    pressed: list[int] = []

    def press(number: int, frame: Any) -> None:
        if pressed:
            signal.default_int_handler(number, frame)
        pressed.append(number)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _foreseen_cancel(job: JobState) -> Answer | None:
    return {State.DONE: Answer.IS_DONE, State.CANCELLED: Answer.IS_CANCELLED}.get(job.state)


def _foreseen_requeue(job: JobState) -> Answer | None:
    if job.state in {State.RUNNING, State.SILENT}:
        return Answer.IS_RUNNING
    return None if job.attempt else Answer.IS_WAITING


CANCEL: Final = Deed("cancel", "cancelled", Cancel, _foreseen_cancel)


def requeue(*, fresh: bool | None) -> Deed:
    """The deed; `fresh`: see `jobs.verbs.Requeue`."""
    return Deed("requeue", "requeued", partial(Requeue, fresh=fresh), _foreseen_requeue)
