"""The worker: one session over all experiments of a root; it picks, claims, runs, publishes and watches the others."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from jobs import layout
from jobs.claims import FAILURES, NOTHING, Names, Verdict, final_verdict
from jobs.plan import experiments
from jobs.queue import AddMarker, Claim, Claimed, Job, Published, Skipped, Why, ask_again, folder_name
from jobs.records import End, EndRecord
from jobs.sessions import Standing, poll_seconds
from jobs.spec import JobSpec
from jobs.store import FolderStore, List, Read, carry_out, self_test
from jobs.view import policy_of
from orchestrator.attempt import (
    KILL_AFTER_SECONDS,
    Attempt,
    Ending,
    RunnerProcess,
    ending,
    make_folder,
    message_for,
    tidy_folder,
)
from orchestrator.gpus import Gpu
from orchestrator.picking import Board, Mine
from orchestrator.pool import Need, Pool, need_of
from orchestrator.publishing import Outbox, Pending
from orchestrator.session import Session, open_session
from orchestrator.watching import Watcher

BREAKER_ENDS: Final = 3
_SHORTEST_PAUSE: Final = 0.05
_NOTE_SECONDS: Final = 10.0
_GLANCE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker works.

    Attributes:
        exit_when_idle: leave as soon as nothing can be claimed now.
        keep_alive: stay also when nothing is left to do.
        max_jobs: leave after that many attempts; None: no bound.
        say: what the worker tells its user, a line at a time.
    """

    exit_when_idle: bool = False
    keep_alive: bool = False
    max_jobs: int | None = None
    say: Callable[[str], None] = print


@dataclass
class Tally:
    """What a worker has done.

    Attributes:
        first_errors: the first ends of each experiment by this worker, for the circuit breaker; None once one was good.
    """

    ends: dict[End, int] = field(default_factory=dict)
    claimed: int = 0
    final_failures: list[str] = field(default_factory=list)
    first_errors: dict[str, list[str] | None] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


class Worker:
    """See the module's docstring.

    Args:
        root: the shared folder.
        gpus: GPUs to use; slots: CPU slots.
        options: how to work.
    """

    def __init__(self, root: Path, gpus: list[Gpu], slots: int, options: Options) -> None:
        self.options = options
        self.store = FolderStore(root.absolute())
        self.scratch = Path(tempfile.mkdtemp(prefix="orch-worker-"))
        self.pool = Pool(gpus, slots, self.scratch)
        self.board = Board(root.absolute(), self.store, random.Random(os.urandom(8)))  # noqa: S311
        self.outbox = Outbox(self.store)
        self.tally = Tally()
        self.unknown: list[tuple[Claim, int]] = []
        self.queue: list[tuple[str, str]] = []
        self.signals = 0
        self.is_leaving = False
        self.pause = _SHORTEST_PAUSE
        self.due: dict[str, float] = {}
        self.noted = 0.0
        self.said_done = 0
        self.session: Session
        self.watcher: Watcher

    # --- from start to end ------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Work until nothing is left, or until told to stop; the exit code."""
        self_test(self.store.root, os.urandom(8).hex())
        self.session = open_session(self.store)
        self.watcher = Watcher(self.store, self.session.claimer)
        self._introduce()
        try:
            with self._signals():
                self._loop()
        finally:
            self._leave()
        return 1 if self.tally.final_failures or self.tally.broken else 0

    def _introduce(self) -> None:
        gpus = ", ".join(f"{gpu.index}: {gpu.name}" for gpu in self.pool.gpus) or "none"
        where = f"{socket.gethostname()} pid {os.getpid()}"
        self.options.say(
            f"worker {self.session.sid} on {where}: GPUs {gpus}; {self.pool.slots} CPU slots; root {self.store.root}"
        )
        if not experiments(self.store.root):
            self.options.say(f"nothing is planned in {self.store.root}; run orch plan first")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM drain; a second one stops now."""
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_out, False)
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wake_in)
            os.close(self._wake_out)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.signals += 1
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_out, b"!")
        if self.signals == 1:
            text = f"{signal.Signals(number).name}: no new jobs; running ones save and are released (again: stop now)"
        else:
            text = "stopping now"
        os.write(2, (text + "\n").encode())

    def _leave(self) -> None:
        """On every way out: end what runs, end the attempts, then the session, before its lease is released."""
        running = self.pool.attempts
        with contextlib.ExitStack() as steps:  # each is done whatever becomes of the one before
            steps.callback(self._say_goodbye)
            steps.callback(shutil.rmtree, self.scratch, ignore_errors=True)
            steps.callback(self.session.close)
            for attempt in running:
                steps.callback(self._release, attempt)
            steps.callback(self.pool.close)

    def _release(self, attempt: Attempt) -> None:
        outcome = Ending(End.RELEASED, {"error": "the worker left"})
        self._publish(attempt, outcome, is_kept=bool(attempt.folder.name) and attempt.folder.is_dir())

    def _say_goodbye(self) -> None:
        ends = ", ".join(f"{count} {kind.value}" for kind, count in sorted(self.tally.ends.items())) or "nothing"
        self.options.say(f"worker {self.session.sid} leaves: {ends}")
        for job in self.tally.final_failures:
            self.options.say(f"failed for good: {job}")
        for reason in sorted(set(self.board.unfit.values())):
            count = sum(reason == other for other in self.board.unfit.values())
            self.options.say(f"{count} jobs could not run here: {reason}")

    # --- the loop ---------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        stop_told = 0
        while True:
            changed = self._collect()
            for pending, outcome in self.outbox.retry():
                self._settled(pending, outcome)
            if self.signals > stop_told:
                stop_told = self.signals
                self._tell_all(signal.SIGTERM if self.signals == 1 else signal.SIGKILL, "the worker was told to stop")
            self._enforce_deadlines()
            self._keep_session()
            if self._is_over():
                return
            claimed = not self.signals and self._claim_some()
            self.pause = _SHORTEST_PAUSE if changed or claimed else self.pause
            if not claimed:
                self._wait()

    def _is_over(self) -> bool:
        if self.pool.running or self.outbox.pending:
            return False
        return bool(self.signals) or self.is_leaving or self._is_at_limit()

    def _is_at_limit(self) -> bool:
        return self.options.max_jobs is not None and self.tally.claimed >= self.options.max_jobs

    def _is_due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self.due.get(what, 0.0):
            return False
        self.due[what] = now + seconds
        return True

    def _wait(self) -> None:
        """Until a runner says something, a signal arrives, or something falls due."""
        now = time.monotonic()
        has_room = self.pool.has_room and not self.signals
        wake = [now + (self.pause if has_room else 1.0), self.outbox.next_due()]
        wake += [at for attempt in self.pool.attempts for at in (attempt.kill_at, attempt.timeout_at) if at]
        pipes = [runner.replies for runner in self.pool.running]
        ready, _, _ = select.select([*pipes, self._wake_in], [], [], max(0.0, min(wake) - now))
        if self._wake_in in ready:
            os.read(self._wake_in, 64)
        if not ready and has_room:
            self.pause = min(2 * self.pause, max(self.session.claimer.lease_seconds / 10, _SHORTEST_PAUSE))

    # --- the session ------------------------------------------------------------------------------------------------

    def _keep_session(self) -> None:
        """Look at one's own session and attempts at each beat, write the note, and watch the others."""
        if self._is_due("beat", self.session.beat_seconds) or self.session.is_suspect:
            self._look_at_own()
            self._stop_what_was_ended()
        if self._is_due("note", min(self.session.beat_seconds, _NOTE_SECONDS)):
            self.noted = time.monotonic()
            self.session.write_note(self._note())
        if self._is_due("tally", _NOTE_SECONDS):
            self._say_tally()
        if self._is_due("watch", _GLANCE_SECONDS):
            self._watch()

    def _say_tally(self) -> None:
        """Short jobs are not told one by one: say now and then how many there were."""
        done = self.tally.ends.get(End.DONE, 0)
        if done > self.said_done:
            self.options.say(f"{done} done by this worker, {len(self.queue)} in view")
        self.said_done = done

    def _look_at_own(self) -> None:
        if self.session.look() is not Standing.LOST:
            return
        lost = self.session
        self.options.say(f"session {lost.sid} was ended by another worker; a new one goes on")
        lost.close()
        self.session = open_session(self.store, lost.past | {lost.sid})
        self.board.ended.add(lost.sid)
        self.watcher.me = self.session.claimer

    def _stop_what_was_ended(self) -> None:
        """An attempt whose end was taken (cancelled, or evicted) has nothing left to win."""
        for runner in self.pool.running:
            attempt = runner.attempt
            if attempt is None or attempt.is_ended_elsewhere:
                continue
            end = self.store.answer(Read(layout.end(attempt.experiment, attempt.spec.id, attempt.number)))
            if isinstance(end, bytes):
                attempt.is_ended_elsewhere = True
                self._tell(runner, signal.SIGTERM, "its end was taken by another")

    def _watch(self) -> None:
        """A busy worker watches too, or a dead session's claims would wait a whole lease longer for a free slot."""
        if not self.pool.has_room and self._is_due("refresh", self._poll):
            self.board.refresh()
            self.queue = []
        owners = self.board.open_claims()
        for sid in {self.session.sid, *self.session.past}:
            owners.pop(sid, None)
        ended = self.watcher.look(owners, self.session.tickets.evicted)
        if ended:
            self.board.ended |= ended
            self.queue = []
            self.due["refresh"] = 0.0

    def _note(self) -> dict[str, Any]:
        jobs = [
            {"experiment": attempt.experiment, "job": attempt.spec.id, "attempt": attempt.number}
            | {"seconds": round(time.monotonic() - attempt.started, 1), "progress": _progress(attempt)}
            for attempt in self.pool.attempts
        ]
        who = self.session.claimer
        waits = [pending.problem for pending in self.outbox.pending if pending.problem]
        return {
            "session": who.sid,
            "host": who.host,
            "pid": who.pid,
            "lease_seconds": who.lease_seconds,
            "gpus": [gpu.index for gpu in self.pool.gpus],
            "slots": self.pool.slots,
            "jobs": jobs,
            "waits_for": waits,
        }

    @property
    def _poll(self) -> float:
        return poll_seconds(self.session.claimer.lease_seconds, 1)

    # --- claiming ---------------------------------------------------------------------------------------------------

    @property
    def _mine(self) -> Mine:
        running = frozenset(attempt.key for attempt in self.pool.attempts)
        on_the_way = frozenset((p.experiment, p.job, p.attempt) for p in self.outbox.pending)
        return Mine(self.session.past | {self.session.sid}, running | on_the_way)

    def _claim_some(self) -> bool:
        """Claim and start attempts until nothing is free or nothing is left; whether any was started."""
        if not self.pool.has_room or self._is_at_limit():
            return False
        if not self.queue or self._is_due("refresh", self._poll):
            changed = self.board.refresh()
            self.queue = self.board.candidates(self._mine)
            if changed:
                self.pause = _SHORTEST_PAUSE
        started = self._claim_from_queue()
        if not started and not self.queue and not self.pool.running and not self.outbox.pending:
            self._maybe_leave()
        return started

    def _claim_from_queue(self) -> bool:
        started, passed = False, []
        self._ask_unknown()
        queue, self.queue = self.queue, []
        while queue and not self.unknown and not self.signals:
            experiment, job = queue.pop(0)
            if not self.pool.has_room or self._is_at_limit():
                passed.append((experiment, job))
                break
            verdict = self._try_job(experiment, job)
            started |= verdict == "started"
            if verdict == "no room":
                passed.append((experiment, job))
            if started and self._is_due("glance", _GLANCE_SECONDS):
                break  # the loop has other duties too
        self.queue = passed + queue
        return started

    def _try_job(self, experiment: str, job: str) -> str:
        view = self.board.views[experiment]
        if experiment in self.board.stopped:
            return "stopped"
        spec = view.plan.spec(job)
        need = need_of(spec, has_gpus=bool(self.pool.gpus))
        if not self.pool.can_ever(need):
            self.board.unfit[(experiment, job)] = _why_not(need)
            return "never"
        resources = self.pool.take(need)
        if resources is None:
            return "no room"
        claimed = self._claim(spec, experiment)
        if claimed is None:
            self.pool.give_back(resources)
            return "skipped"
        attempt = Attempt(experiment, spec, claimed.attempt, Path(), resources=resources)
        self._start(attempt, claimed.resume_above)
        return "started"

    def _claim(self, spec: JobSpec, experiment: str) -> Claimed | None:
        if self.session.is_suspect:
            self._look_at_own()
        view = self.board.views[experiment]
        policy = policy_of(view.plan.lines[spec.id])[0]
        claim = Claim(
            self.session.me(self._mine.running),
            Job(experiment, spec.id, policy),
            view.names.get(spec.id, NOTHING),
            view.ends.get(spec.id, {}),
            lambda history: self.board.is_backoff_over(experiment, spec.id, history),
        )
        return self._outcome(claim, carry_out(claim, self.store))

    def _outcome(self, claim: Claim, outcome: Claimed | Skipped) -> Claimed | None:
        experiment, job = claim.job.experiment, claim.job.id
        if isinstance(outcome, Claimed):
            self._remember(experiment, job, outcome.attempt)
            self.session.count_claim()
            self.tally.claimed += 1
            return outcome
        if outcome.why in {Why.UNKNOWN, Why.STOPPED} and outcome.attempt:
            self._remember(experiment, job, outcome.attempt)
        if outcome.why is Why.UNKNOWN:
            self.unknown.append((claim, outcome.attempt))
        if outcome.why is Why.GONE:
            self.session.last_good = 0.0  # the tickets were swept: look at once whether the session still stands
        self.board.learn(outcome)
        if outcome.verdict is Verdict.DONE:
            self._add_marker(experiment, job, outcome)
        return None

    def _remember(self, experiment: str, job: str, attempt: int) -> None:
        self.session.tried.add((experiment, job, attempt))
        self.board.views[experiment].note(job, Names(claims=frozenset({attempt})))
        self.board.holders[(experiment, job, attempt)] = self.session.claimer

    def _ask_unknown(self) -> None:
        """What may have been put is asked again, with the same ticket, before anything else is claimed."""
        waiting, self.unknown = self.unknown, []
        for claim, attempt in waiting:
            again = ask_again(claim, attempt)
            claimed = self._outcome(again, carry_out(again, self.store))
            if claimed is None:
                continue
            spec = self.board.views[claim.job.experiment].plan.spec(claim.job.id)
            resources = self.pool.take(need_of(spec, has_gpus=bool(self.pool.gpus)))
            attempt_ = Attempt(claim.job.experiment, spec, claimed.attempt, Path())
            if resources is None:
                self._publish(attempt_, Ending(End.RELEASED, {"error": "no room when the folder answered"}))
            else:
                attempt_.resources = resources
                self._start(attempt_, claimed.resume_above)

    def _add_marker(self, experiment: str, job: str, skipped: Skipped) -> None:
        top = max(skipped.ends)
        view = self.board.views[experiment]
        if top not in view.done.get(job, set()):
            carry_out(AddMarker(experiment, job, top, folder_name(skipped.ends[top])), self.store)
            view.done.setdefault(job, set()).add(top)

    def _maybe_leave(self) -> None:
        """Nothing runs and nothing can be claimed now: is there a reason to stay?"""
        if self.options.keep_alive:
            return
        if self.options.exit_when_idle or not self.board.is_worth_staying(self._mine):
            self.is_leaving = True

    # --- running ----------------------------------------------------------------------------------------------------

    def _start(self, attempt: Attempt, resume_above: int) -> None:
        attempt.started = time.monotonic()
        if attempt.spec.timeout_seconds is not None:
            attempt.timeout_at = attempt.started + attempt.spec.timeout_seconds
        root, sid = self.store.root, self.session.sid
        attempt.resume = self._resumable(attempt, resume_above)
        runner = self.pool.runner()
        runner.attempt = attempt
        if attempt.spec.kind == "call":
            name = layout.attempt_folder(attempt.experiment, attempt.spec.id, attempt.number, sid)
            attempt.folder = root / name
        else:
            about = {"session": sid, "host": self.session.claimer.host, "pid": os.getpid(), "started": time.time()}
            about |= {"gpus": list(attempt.resources.gpus)}
            try:
                attempt.folder = make_folder(root, attempt.experiment, (attempt.spec.id, attempt.number, sid), about)
            except OSError as error:
                self._could_not_start(runner, error)
                return
        runner.run(attempt, message_for(attempt, self.scratch))
        again = f", attempt {attempt.number}" if attempt.number > 1 else ""
        if attempt.spec.kind != "call":
            self.options.say(f"started {attempt.experiment}/{attempt.spec.id}{again}")
        self.due["note"] = min(self.due.get("note", 0.0), self.noted + _GLANCE_SECONDS)

    def _could_not_start(self, runner: RunnerProcess, error: OSError) -> None:
        """The folder would not take the attempt's own: give it back, and leave the job alone for a while."""
        attempt = self.pool.is_over(runner, died=False)
        self.board.retry_at[attempt.experiment, attempt.spec.id] = time.monotonic() + KILL_AFTER_SECONDS
        self._publish(attempt, Ending(End.RELEASED, {"error": f"no folder could be made: {error}"}))

    def _resumable(self, attempt: Attempt, above: int) -> tuple[Path, ...]:
        """Folders of earlier attempts that this one may resume from, newest first."""
        if attempt.number == 1:
            return ()
        folder = layout.job_folder(attempt.experiment, attempt.spec.id)
        names = self.store.answer(List(folder))
        found = []
        for name in names if isinstance(names, tuple) else ():
            number = layout.attempt_of_folder(name)
            if number is not None and above < number < attempt.number:
                found.append((number, name))
        return tuple(self.store.root / folder / name for _, name in sorted(found, reverse=True))

    def _tell_all(self, number: signal.Signals, reason: str) -> None:
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

    def _enforce_deadlines(self) -> None:
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

    def _collect(self) -> bool:
        """Take the ends that runners report; whether there were any."""
        changed = False
        for runner in list(self.pool.running):
            for event in runner.events():
                changed = True
                printed = runner.printed() if runner.attempt and runner.attempt.spec.kind == "call" else b""
                attempt = self.pool.is_over(runner, died=event["event"] == "died")
                self._ended(attempt, event, printed)
                break
        return changed

    def _ended(self, attempt: Attempt, event: dict[str, Any], printed: bytes) -> None:
        outcome = ending(attempt, event)
        is_kept = tidy_folder(attempt, printed)
        self._publish(attempt, outcome, is_kept=is_kept)

    def _publish(self, attempt: Attempt, outcome: Ending, *, is_kept: bool = False) -> None:
        if attempt.is_ended_elsewhere:
            return
        folder = attempt.folder.relative_to(self.store.root).as_posix() if is_kept and attempt.folder.name else None
        body = {"job": attempt.spec.id, "attempt": attempt.number, "sid": self.session.sid}
        body |= {"nonce": os.urandom(8).hex(), "folder": folder, "ended": time.time()}
        body |= {"seconds": round(time.monotonic() - attempt.started, 3), **outcome.body}
        if folder is None:
            body.pop("files", None)
        pending = Pending(
            attempt.experiment,
            attempt.spec.id,
            attempt.number,
            EndRecord(outcome.kind, body),
            attempt.folder.name if folder else None,
            self.session.sid,
            self.session.tickets.released,
        )
        published = self.outbox.send(pending)
        if published is not Published.UNKNOWN:
            self._settled(pending, published)

    def _settled(self, pending: Pending, outcome: Published = Published.ACCEPTED) -> None:
        """An end stands, ours or another's: take it into the view and the tally, and tell the user."""
        kind, body = pending.record.kind, pending.record.body
        name = f"{pending.experiment}/{pending.job}"
        if outcome is not Published.ACCEPTED:
            self.options.say(f"superseded: {name} attempt {pending.attempt}: its result stays in its folder for people")
            return
        view = self.board.views[pending.experiment]
        view.note(pending.job, Names(ends=frozenset({pending.attempt})))
        view.keep_end(pending.job, pending.attempt, pending.record)
        if kind is End.DONE:
            view.done.setdefault(pending.job, set()).add(pending.attempt)
        self.tally.ends[kind] = self.tally.ends.get(kind, 0) + 1
        self._mind_the_breaker(pending.experiment, kind, str(body.get("error", "")))
        if kind is not End.DONE or pending.folder:
            self.options.say(f"{kind.value} {name}" + (f": {body['error']}" if body.get("error") else ""))
        if kind in FAILURES | {End.NAN}:
            self._note_final_failure(pending, name)

    def _note_final_failure(self, pending: Pending, name: str) -> None:
        view = self.board.views[pending.experiment]
        history = self.board.history(pending.experiment, pending.job)
        policy = policy_of(view.plan.lines[pending.job])[0]
        if final_verdict(history, policy) in {Verdict.SPENT, Verdict.NAN}:
            self.tally.final_failures.append(name)

    def _mind_the_breaker(self, experiment: str, kind: End, error: str) -> None:
        """Where the first three ends of an experiment all failed with one error, its other jobs would too."""
        seen = self.tally.first_errors.setdefault(experiment, [])
        if seen is None:
            return
        if kind not in FAILURES or (seen and seen[0] != error):
            self.tally.first_errors[experiment] = None
            return
        seen.append(error)
        if len(seen) == BREAKER_ENDS:
            self.board.stopped.add(experiment)
            self.tally.broken.append(experiment)
            self.options.say(
                f"{experiment}: the first {BREAKER_ENDS} attempts failed alike ({error}); no more of it here"
            )


def _progress(attempt: Attempt) -> Any:
    """What the attempt last told of its progress, for people."""
    try:
        return json.loads(attempt.progress_file.read_text(encoding="utf-8")) if attempt.progress_file else None
    except (OSError, ValueError):
        return None


def _why_not(need: Need) -> str:
    wants = f"{need.gpus} GPUs" if need.gpus else f"{need.slots} CPU slots"
    return f"they need {wants} at once"
