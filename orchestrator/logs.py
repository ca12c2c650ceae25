"""`orch logs`: what a job has printed, attempt by attempt, and on as it grows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jobs.claims import Names
from jobs.errors import InputError
from jobs.looking import patiently
from jobs.plan import PlanIndex
from jobs.selecting import find_job, read_index
from jobs.snapshot import JobState, State, snapshot
from orchestrator.history import Archive, Story
from orchestrator.status import unreadable
from trainers.passing import is_passing

_FINAL: Final = frozenset({State.DONE, State.FAILED, State.CANCELLED})
_CHUNK: Final = 1 << 16
_LEAST_PAUSE_SECONDS: Final = 0.1
_MOST_PAUSE_SECONDS: Final = 1.0
# Between two looks at the whole experiment, which may be large, while nothing changes: the first, and the longest.
_LOOK_SECONDS: Final = 4.0
_MOST_LOOK_SECONDS: Final = 30.0

Write = Callable[[bytes], None]
Tell = Callable[[str], None]


def follow(  # noqa: PLR0913  the words of the command, and where what it says goes
    root: Path,
    text: str,
    *,
    follow: bool,
    write: Write,
    tell: Tell,
    attempt: int | None = None,
    experiment: str | None = None,
) -> None:
    """Print the log of a job's newest attempt.

    Args:
        root: the shared folder.
        text: the job's id, or a unique beginning of it.
        follow: go on as it grows, and to the next attempt when one comes, until the job has a final end.
        write: takes what the log holds.
        tell: takes lines about it.
        attempt: begin with this one instead.
        experiment: the only one to look for the job in.

    Raises:
        InputError: there is no such job or attempt, or more than one such job.
        HostUnfitError: the root cannot be read.
    """
    try:
        name, job = find_job(root, text, experiment)
        reader = _Reader(Archive(root, name, job), read_index(root, name), write, tell)
        reader.begin(attempt)
        if follow:
            reader.go_on()
    except OSError as error:
        raise unreadable(root, error) from error


@dataclass(slots=True)
class _Log:
    """A log, read on from where that stopped; opened anew by its name each time, or another host's writes stay unseen.

    Attributes:
        path: where it will be, should it not be there yet.
    """

    path: Path
    position: int = 0
    inode: int = 0

    def copy(self, write: Write) -> bool:
        """Pass on what is new; whether anything was. One that was cut or replaced is passed on from its start."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            now = os.fstat(descriptor)
            if now.st_ino != self.inode or now.st_size < self.position:
                self.inode, self.position = now.st_ino, 0
            before = self.position
            while data := os.pread(descriptor, _CHUNK, self.position):
                self.position += len(data)
                write(data)
            return self.position > before
        finally:
            os.close(descriptor)


@dataclass
class _Reader:
    """Reads one job's logs, an attempt at a time.

    Attributes:
        number: of the attempt that is being read; 0: none was claimed yet.
    """

    archive: Archive
    index: PlanIndex
    write: Write
    tell: Tell
    number: int = 0
    log: _Log | None = None
    _said: str = ""
    _seen: Names | None = None
    _look_at: float = 0.0
    _look_pause: float = _LOOK_SECONDS

    def begin(self, attempt: int | None) -> None:
        """Print the log of an attempt, None: of the newest, or say why there is none."""
        claims = self.archive.names().claims
        if attempt is not None and attempt not in claims:
            there = f"there are {', '.join(map(str, sorted(claims)))}" if claims else "none was claimed yet"
            raise InputError(f"{self.archive.job} has no attempt {attempt}", there)
        self.number = attempt if attempt is not None else max(claims, default=0)
        if not self.number:
            self._say(_standing(self.archive.job, self._look()))
            return
        story = patiently(lambda: self.archive.story(self.number))
        self._introduce(story)
        if not patiently(lambda: self._copy(story)):
            self._say(self._why_nothing(story))

    def go_on(self) -> None:
        """Print what comes, until the job has a final end."""
        pause = _LEAST_PAUSE_SECONDS
        while True:
            try:
                has_news, is_over = self._turn()
            except OSError as error:
                if not is_passing(error):
                    raise
                has_news = is_over = False
            if is_over:
                return
            pause = _LEAST_PAUSE_SECONDS if has_news else min(2 * pause, _MOST_PAUSE_SECONDS)
            time.sleep(pause)

    def _turn(self) -> tuple[bool, bool]:
        """Whether there was anything new, and whether the job is over."""
        names = self.archive.names()
        story = self.archive.story(self.number) if self.number else None
        has_news = story is not None and self._copy(story)
        if following := self._following(names):
            self.number, self.log = following, None
            self._introduce(self.archive.story(following))
            return True, False
        if names == self._seen and time.monotonic() < self._look_at:
            return has_news, False
        state = self._look()
        self._look_pause = _LOOK_SECONDS if names != self._seen else min(2 * self._look_pause, _MOST_LOOK_SECONDS)
        self._seen, self._look_at = names, time.monotonic() + self._look_pause
        if self._following(self.archive.names()):
            return True, False
        if state.state not in _FINAL:
            if state.state is not State.RUNNING:
                self._say(_standing(self.archive.job, state))
            return has_news, False
        if self.number:  # it may have ended after its log was read
            self._copy(self.archive.story(self.number))
        self._say(_standing(self.archive.job, state))
        return True, True

    def _following(self, names: Names) -> int:
        """The attempt after this one; 0: nobody has claimed any."""
        return min((number for number in names.claims if number > self.number), default=0)

    def _look(self) -> JobState:
        (state,) = snapshot(self.archive.root, self.archive.experiment).experiments
        return state.state(self.archive.job)

    def _say(self, line: str) -> None:
        """Say something that was not just said."""
        if line != self._said:
            self._said = line
            self.tell(line)

    def _introduce(self, story: Story) -> None:
        who = f" on {story.claimer.host} pid {story.claimer.pid}" if story.claimer is not None else ""
        self.tell(f"==> {self.archive.job} attempt {story.number}{who}: {story.end.kind if story.end else 'open'} <==")

    def _copy(self, story: Story) -> bool:
        if story.log is None:
            return False
        if self.log is None or self.log.path != story.log:
            self.log = _Log(story.log)
        return self.log.copy(self.write)

    def _why_nothing(self, story: Story) -> str:
        is_call = self.index.spec(self.archive.job).kind == "call"
        if story.end is None:
            later = "; what a function prints is kept when it ends" if is_call else ""
            return f"attempt {story.number} has printed nothing yet{later}"
        if story.folder is None and (folder := story.end.body.get("folder")):
            return f"the folder of attempt {story.number} is gone: {folder}"
        why = f": {story.end.body['error']}" if story.end.body.get("error") else ""
        return f"attempt {story.number} printed nothing, and ended {story.end.kind}{why}"


def _standing(job: str, state: JobState) -> str:
    """How a job stands, in one line."""
    again = f" (again within {state.backoff_seconds:.0f} s)" if state.backoff_seconds else ""
    return f"{job}: {state.state}" + (f": {state.reason}{again}" if state.reason else "")
