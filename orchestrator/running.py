"""A worker's running attempts: started, told to stop, killed when they do not, and their ends collected."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jobs import layout
from jobs.records import End, decode_end
from jobs.store import List, Look, Read
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
from trainers.passing import is_passing


@dataclass(frozen=True, slots=True)
class Over:
    """An attempt that runs no more: what its runner reported, and what a called function printed."""

    attempt: Attempt
    event: dict[str, Any]
    printed: bytes

    @property
    def scratch_files(self) -> str:
        return f"{scratch_name(self.attempt)}.*"


@dataclass
class Running:
    """The attempts of a worker, in the runners of its pool.

    Attributes:
        over: attempts whose end could not be made out yet, as the folder would not show what they left.
    """

    place: Place
    pool: Pool
    ends: Ends
    over: list[Over] = field(default_factory=list)

    def start(self, attempt: Attempt, resume_above: int) -> bool:
        """Give a claimed attempt, with its resources, to a runner; False where it had to be given back.

        It may resume from attempts above `resume_above`, never from others.
        """
        attempt.started = time.monotonic()
        if attempt.spec.timeout_seconds is not None:
            attempt.timeout_at = attempt.started + attempt.spec.timeout_seconds
        attempt.resume = self._resumable(attempt, resume_above)
        try:
            attempt.folder = self._folder(attempt)
            message = message_for(attempt, self.pool.scratch)
            runner = self.pool.runner(is_new=attempt.spec.kind == "call" and bool(attempt.resources.gpus))
        except OSError as error:
            self._give_back(attempt, error)
            return False
        runner.run(attempt, message)
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

    def _give_back(self, attempt: Attempt, error: OSError) -> None:
        """The attempt's folder, or a process for it, could not be made: leave the job alone for a while."""
        self.place.weather.note(error)
        self.pool.give_back(attempt.resources)
        self.place.board.leave_alone(attempt.experiment, attempt.spec.id, time.monotonic() + KILL_AFTER_SECONDS)
        self.ends.publish(attempt, Ending(End.RELEASED, {"error": f"it could not be started: {error}"}), is_kept=False)

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
            experiment, job, _ = attempt.key
            self.place.store.answer(
                Look(layout.log_shard(experiment, job))
            )  # or NFS may say for long that it is absent
            end = self.place.store.answer(Read(layout.end(*attempt.key)))
            if isinstance(end, bytes):
                attempt.is_ended_elsewhere = True
                self.place.say(f"stopping {experiment}/{job}: {_why_ended(end)}")
                self._tell(runner, signal.SIGTERM, "its end was taken by another")

    def collect(self) -> bool:
        """Take in the ends that runners report, for `finish` to publish; whether there were any."""
        ended = [(runner, event) for runner in list(self.pool.running) for event in _first(runner.events())]
        for runner, event in ended:
            printed = runner.printed() if runner.attempt and runner.attempt.spec.kind == "call" else b""
            attempt = self.pool.is_over(runner, died=event["event"] == "died")
            self.over.append(Over(attempt, event, printed))
        return bool(ended)

    @property
    def all_went_well(self) -> bool:
        """Whether no end that is to be published can bear on what is claimed next."""
        return all(over.attempt.spec.kind == "call" and over.event["verdict"] == "done" for over in self.over)

    def finish(self, *, is_new: bool) -> None:
        """Publish what is over; what the folder would not show before is looked at again while it answers.

        Args:
            is_new: whether some of it was just collected.
        """
        for over in list(self.over) if is_new or self.place.is_fair else ():
            try:
                outcome = self._outcome(over)
                is_kept = tidy_folder(over.attempt, over.printed)
            except OSError as error:
                if is_passing(error) or not self._takes_writes():
                    self.place.weather.note(error)
                    continue
                outcome, is_kept = Ending(End.FAILED, {"error": f"what it left cannot be read: {error}"}), True
            self.over = [other for other in self.over if other is not over]
            self.ends.publish(over.attempt, outcome, is_kept=is_kept)
            self._tidy_scratch(over)

    def _tidy_scratch(self, over: Over) -> None:
        """What the attempt had on this host goes; a program may have made of it what it liked, and disks fail."""
        if over.attempt.spec.kind != "call":
            with contextlib.suppress(OSError):
                for file in self.pool.scratch.glob(over.scratch_files):
                    file.unlink()

    def _outcome(self, over: Over) -> Ending:
        """The attempt's end; one that failed while the folder takes no writes is given back, not failed."""
        outcome = ending(over.attempt, over.event)
        if outcome.is_weather:
            self.place.weather.note(str(outcome.body["error"]))
        is_mute = outcome.kind is End.FAILED and over.attempt.spec.kind != "call"  # functions say what failed them
        if is_mute and not self._takes_writes():
            error = f"the folder took no writes when it failed: {outcome.body.get('error')}"
            return Ending(End.RELEASED, {**outcome.body, "error": error}, is_weather=True)
        return outcome

    def _takes_writes(self) -> bool:
        return self.place.weather.takes_writes(self.place.store, self.place.session.sid)

    @property
    def attempts(self) -> list[Attempt]:
        """Attempts that run, or whose end is still to be made out."""
        return [*self.pool.attempts, *(over.attempt for over in self.over)]

    def release(self, attempt: Attempt) -> None:
        """The worker leaves before an attempt's end is known."""
        outcome = Ending(End.RELEASED, {"error": "the worker left"})
        is_kept = False
        with contextlib.suppress(OSError):
            is_kept = bool(attempt.folder.name) and attempt.folder.is_dir()
        self.ends.publish(attempt, outcome, is_kept=is_kept)

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


def _why_ended(end: bytes) -> str:
    """For a person: why an attempt that runs has an end already."""
    try:
        kind = decode_end(end).kind
    except ValueError:
        return "somebody else has ended it"
    return "it was cancelled" if kind is End.CANCELLED else f"somebody else has ended it ({kind.value})"


_NUMBERS: Final = ("epoch", "epochs", "eta_seconds", "images_per_second", "peak_memory_bytes")


def _progress(attempt: Attempt) -> dict[str, Any] | None:
    """What the attempt last told of its progress; any program may write there, so only what can be shown is kept."""
    try:
        told = json.loads(attempt.progress_file.read_text(encoding="utf-8")) if attempt.progress_file else None
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict):
        return None
    kept: dict[str, Any] = {name: told[name] for name in _NUMBERS if _is_number(told.get(name))}
    return kept | ({"waiting": told["waiting"]} if isinstance(told.get("waiting"), str) else {})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
