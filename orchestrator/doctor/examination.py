"""The whole examination: this host, the root through a process that may hang, and what they come to."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jobs.errors import HostUnfitError
from orchestrator.doctor import mounts
from orchestrator.doctor.accelerators import examine_gpus
from orchestrator.doctor.advice import Lease, compare, recommend
from orchestrator.doctor.finding import Finding, Section, Verdict, in_words
from orchestrator.doctor.host import examine_host
from orchestrator.doctor.mounts import Reach
from orchestrator.session import times_from_environment

SECONDS: Final = 8.0
_ANSWER: Final = "answer"  # its finding names the root itself
_PATIENCE_SECONDS: Final = 20.0
_FAREWELL_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to examine.

    Attributes:
        seconds: how long the measurement with a second process may take.
        patience_seconds: how long the root may leave a call without an answer.
        tell: what is being looked at now, for a display.
    """

    seconds: float = SECONDS
    patience_seconds: float = _PATIENCE_SECONDS
    tell: Callable[[str], None] = field(default=lambda _: None)


@dataclass(frozen=True)
class Examination:
    """What came out, in the order of looking."""

    root: Path
    findings: tuple[Finding, ...]
    lease: Lease

    @property
    def is_fit(self) -> bool:
        return all(finding.verdict is not Verdict.UNFIT for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The stable form for scripts."""
        return {
            "schema": 1,
            "host": socket.gethostname(),
            "root": os.fspath(self.root),
            "fit": self.is_fit,
            "lease_seconds": self.lease.seconds,
            "lease_reason": self.lease.reason,
            "findings": [finding.as_json() for finding in self.findings],
        }

    def raise_if_unfit(self) -> None:
        """The first thing that is unfit, as the error of the command.

        Raises:
            HostUnfitError: there is one.
        """
        unfit = [finding for finding in self.findings if finding.verdict is Verdict.UNFIT]
        if unfit:
            first = unfit[0]
            where = socket.gethostname() if first.section is Section.HOST else str(self.root)
            told = first.measured if first.name == _ANSWER else f"{where}: {first.name}: {first.measured}"
            more = f" (and {len(unfit) - 1} more)" if len(unfit) > 1 else ""
            raise HostUnfitError(f"{told}{more}", first.remedy)


def examine(root: Path, options: Options | None = None) -> Examination:
    """Examine this host and a root. Leaves nothing behind.

    Raises:
        InputError: ORCH_LEASE_SECONDS or ORCH_BEAT_SECONDS is no such time.
    """
    options = options or Options()
    root = root.absolute()
    used, beat = times_from_environment()
    options.tell("this host")
    findings = [*examine_host(), *examine_gpus(), *examine_root(root, options)]
    lease = recommend(_reach(findings), max(finding.slowest_seconds for finding in findings))
    return Examination(root, (*findings, compare(lease, used, beat)), lease)


def _reach(findings: list[Finding]) -> Reach:
    told = (finding.values["reach"] for finding in findings if "reach" in finding.values)
    return Reach(next(told, Reach.UNKNOWN.value))


def examine_root(root: Path, options: Options) -> Iterator[Finding]:
    """Findings of the process that touches the root; where it hangs, a finding that says in what."""
    argv = [sys.executable, "-P", "-m", "orchestrator.doctor.child", os.fspath(root), str(options.seconds)]
    # A session of its own: Ctrl-C is for this process, which then lets the other clean up.
    process = subprocess.Popen(  # noqa: S603
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    step, is_over = "the start", False
    try:
        for message in _messages(process, options.patience_seconds):
            if "finding" in message:
                yield Finding.from_json(message["finding"])
            step = message.get("begins", step)
            options.tell(step)
            is_over = is_over or "over" in message
        if not is_over:
            yield _ended_early(process, step)
    except TimeoutError as silence:
        process.kill()
        yield from _no_answer(root, step, float(str(silence)))
    finally:
        _end(process)


def _messages(process: subprocess.Popen[bytes], patience: float) -> Iterator[dict[str, Any]]:
    """The child's messages until it closes the pipe.

    Raises:
        TimeoutError: it was silent for too long; how long, in seconds.
    """
    if process.stdout is None:
        return
    pipe = process.stdout
    rest, allowed = b"", patience
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            began = time.monotonic()
            if not selector.select(allowed):
                raise TimeoutError(str(round(time.monotonic() - began, 1)))
            data = os.read(pipe.fileno(), 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                message = json.loads(line)
                allowed = patience + message.get("seconds", 0.0) if "begins" in message else allowed
                yield message


def _no_answer(root: Path, step: str, seconds: float) -> Iterator[Finding]:
    mount = mounts.mount_of(os.fspath(root), mounts.here())
    remedy = "is the file server up, and its network? a worker would hang as well; see dmesg"
    where = f" ({mount.kind} from {mount.source})" if mount is not None else ""
    measured = f"no answer for {in_words(seconds)} from {root}{where}, asked for: {step}"
    yield Finding(Section.ROOT, _ANSWER, measured, Verdict.UNFIT, remedy, values={"step": step})


def _ended_early(process: subprocess.Popen[bytes], step: str) -> Finding:
    code = process.wait()
    measured = f"the process that looks at the root ended with {code} at: {step}"
    return Finding(Section.ROOT, _ANSWER, measured, Verdict.UNFIT, "what it said stands above; was it killed?")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the child remove what it made, then be sure that it is gone, unless the kernel itself holds it."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_FAREWELL_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
    if process.stdout is not None:
        process.stdout.close()
