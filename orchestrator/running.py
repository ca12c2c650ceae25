"""A worker's running attempts: started, told to stop, killed when they do not, and their ends collected."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import layout
from jobs.records import End
from jobs.store import List, Read
from orchestrator.attempt import (
    KILL_AFTER_SECONDS,
    Attempt,
    Ending,
    ending,
    make_folder,
    message_for,
    scratch_name,
    tidy_folder,
)
from orchestrator.ends import Ends
from orchestrator.place import Place
from orchestrator.pool import Pool
from orchestrator.runner_process import RunnerProcess


@dataclass
class Running:
    """The attempts of a worker, in the runners of its pool."""

    place: Place
    pool: Pool
    ends: Ends

    def start(self, attempt: Attempt, resume_above: int) -> bool:
        """Give a claimed attempt, with its resources, to a runner; False where it had to be given back.

        It may resume from attempts above `resume_above`, never from others.
        """
        attempt.started = time.monotonic()
        if attempt.spec.timeout_seconds is not None:
            attempt.timeout_at = attempt.started + attempt.spec.timeout_seconds
        attempt.resume = self._resumable(attempt, resume_above)
        runner = self.pool.runner()
        runner.attempt = attempt
        try:
            attempt.folder = self._folder(attempt)
        except OSError as error:
            self._give_back(runner, error)
            return False
        runner.run(attempt, message_for(attempt, self.pool.scratch))
        if attempt.spec.kind != "call":  # thousands of short calls would drown what matters
            again = f", attempt {attempt.number}" if attempt.number > 1 else ""
            self.place.say(f"started {attempt.experiment}/{attempt.spec.id}{again}")
        return True

    def _folder(self, attempt: Attempt) -> Path:
        session = self.place.session
        root = self.place.store.root
        name = (attempt.spec.id, attempt.number, session.sid)
        if attempt.spec.kind == "call":
            return root / layout.attempt_folder(attempt.experiment, *name)
        about = {"session": session.sid, "host": session.claimer.host, "pid": os.getpid(), "started": time.time()}
        return make_folder(root, attempt.experiment, name, {**about, "gpus": list(attempt.resources.gpus)})

    def _give_back(self, runner: RunnerProcess, error: OSError) -> None:
        """The root would not take the attempt's folder: leave the job alone for a while."""
        attempt = self.pool.is_over(runner, died=False)
        self.place.board.retry_at[attempt.experiment, attempt.spec.id] = time.monotonic() + KILL_AFTER_SECONDS
        outcome = Ending(End.RELEASED, {"error": f"no folder could be made: {error}"})
        self.ends.publish(attempt, outcome, is_kept=False)

    def _resumable(self, attempt: Attempt, above: int) -> tuple[Path, ...]:
        """Folders of earlier attempts that this one may resume from, newest first."""
        if attempt.number == 1:
            return ()
        folder = layout.job_folder(attempt.experiment, attempt.spec.id)
        names = self.place.store.answer(List(folder))
        found = []
        for name in names if isinstance(names, tuple) else ():
            number = layout.attempt_of_folder(name)
            if number is not None and above < number < attempt.number:
                found.append((number, name))
        return tuple(self.place.store.root / folder / name for _, name in sorted(found, reverse=True))

    def tell_all(self, number: signal.Signals, reason: str) -> None:
        """Tell every attempt to stop, or kill it."""
        for runner in self.pool.running:
            self._tell(runner, number, reason)

    def _tell(self, runner: RunnerProcess, number: signal.Signals, reason: str) -> None:
        attempt = runner.attempt
        if attempt is None:
            return
        attempt.stop_reason = attempt.stop_reason or reason
        attempt.timeout_at = None
        attempt.kill_at = attempt.kill_at or time.monotonic() + KILL_AFTER_SECONDS
        runner.stop(number)

    def enforce_deadlines(self) -> None:
        """Stop what has run too long, and kill what did not stop."""
        now = time.monotonic()
        for runner in self.pool.running:
            attempt = runner.attempt
            if attempt is None:
                continue
            if attempt.timeout_at is not None and now >= attempt.timeout_at:
                self._tell(runner, signal.SIGTERM, "timeout")
            elif attempt.kill_at is not None and now >= attempt.kill_at:
                attempt.kill_at = now + KILL_AFTER_SECONDS
                runner.stop(signal.SIGKILL)

    def stop_what_was_ended(self) -> None:
        """An attempt whose end was taken (cancelled, or evicted) has nothing left to win."""
        for runner in self.pool.running:
            attempt = runner.attempt
            if attempt is None or attempt.is_ended_elsewhere:
                continue
            end = self.place.store.answer(Read(layout.end(*attempt.key)))
            if isinstance(end, bytes):
                attempt.is_ended_elsewhere = True
                self._tell(runner, signal.SIGTERM, "its end was taken by another")

    def collect(self) -> bool:
        """Publish the ends that runners report; whether there were any."""
        ended = [(runner, event) for runner in list(self.pool.running) for event in _first(runner.events())]
        for runner, event in ended:
            printed = runner.printed() if runner.attempt and runner.attempt.spec.kind == "call" else b""
            attempt = self.pool.is_over(runner, died=event["event"] == "died")
            outcome = ending(attempt, event)
            for file in [] if attempt.spec.kind == "call" else self.pool.scratch.glob(f"{scratch_name(attempt)}.*"):
                file.unlink()
            self.ends.publish(attempt, outcome, is_kept=tidy_folder(attempt, printed))
        return bool(ended)

    def release(self, attempt: Attempt) -> None:
        """The worker leaves while an attempt runs."""
        outcome = Ending(End.RELEASED, {"error": "the worker left"})
        self.ends.publish(attempt, outcome, is_kept=bool(attempt.folder.name) and attempt.folder.is_dir())

    def next_deadline(self) -> float:
        """Monotonic seconds of the next stop or kill; infinity: none."""
        times = (at for attempt in self.pool.attempts for at in (attempt.kill_at, attempt.timeout_at) if at)
        return min(times, default=float("inf"))

    def notes(self) -> list[dict[str, Any]]:
        """What runs, for people."""
        return [
            {"experiment": attempt.experiment, "job": attempt.spec.id, "attempt": attempt.number}
            | {"seconds": round(time.monotonic() - attempt.started, 1), "progress": _progress(attempt)}
            for attempt in self.pool.attempts
        ]


def _first(events: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """An attempt ends once: what its runner reports after that would be the next one's."""
    event = next(events, None)
    return [] if event is None else [event]


def _progress(attempt: Attempt) -> Any:
    """What the attempt last told of its progress."""
    try:
        return json.loads(attempt.progress_file.read_text(encoding="utf-8")) if attempt.progress_file else None
    except (OSError, ValueError):
        return None
