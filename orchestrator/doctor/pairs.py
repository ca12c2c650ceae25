"""Measuring with a second process: finding one on another host, or taking one's own, and saying what came out."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.doctor.appends import Torn
from orchestrator.doctor.corner import Corner, Presence
from orchestrator.doctor.delays import Asker, Delays, NoAnswerError
from orchestrator.doctor.finding import Finding, Section, Values, Verdict, in_words
from orchestrator.doctor.mounts import Reach

_LATE_SECONDS: Final = 1.0
_FAREWELL_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Meeting:
    """What decides with whom to measure.

    Attributes:
        corner: this doctor's own.
        reach: who can see the root: on a disk of this host there is nobody to wait for.
        seconds: how long the measurement may take; a third of it may pass waiting for another host.
        began: when this doctor announced itself, on its monotonic clock.
    """

    corner: Corner
    reach: Reach
    seconds: float
    began: float

    def partner(self) -> Presence | None:
        """A doctor of another host; None: there was none in time."""
        patience = 0.0 if self.reach is Reach.LOCAL else self.seconds / 3
        while not (others := self.corner.others()):
            if time.monotonic() - self.began >= patience:
                return None
            time.sleep(0.1)
        return others[0]


@contextlib.contextmanager
def own_peer(corner: Corner, seconds: float) -> Iterator[None]:
    """A second process that answers this doctor and others; it may stay on for a moment for those of other hosts."""
    # Its code by -P from where orch is installed: a folder of the user's of that name must not come first.
    argv = [sys.executable, "-P", "-m", "orchestrator.doctor.peer", os.fspath(corner.root), corner.me.token]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # noqa: S603
    patience = _FAREWELL_SECONDS
    try:
        yield
        patience += 2 * seconds
    finally:
        with contextlib.suppress(OSError):
            corner.withdraw()
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()


def measure(meeting: Meeting) -> Iterator[Finding]:
    """What another process sees of this one's changes, and when."""
    partner = meeting.partner()
    yield _whom(meeting, partner)
    asker = Asker(meeting.corner, partner or meeting.corner.me, meeting.seconds)
    try:
        delays = asker.measure()
    except NoAnswerError as silence:
        remedy = "run it again; on two hosts, start both within a second or two"
        yield _finding("its answers", f"none to {silence}", Verdict.NOTE, remedy)
        return
    yield from describe(delays, is_between_hosts=partner is not None)


def _whom(meeting: Meeting, partner: Presence | None) -> Finding:
    if partner is not None:
        measured = f"orch doctor on {partner.host}, at work on this root just now"
    elif meeting.reach is Reach.LOCAL:
        measured = "a second process of this host"
    else:
        measured = "a second process of this host; run orch doctor on two hosts at once to measure between them"
    return _finding("second process", measured, values={"host": None if partner is None else partner.host})


def describe(delays: Delays, *, is_between_hosts: bool) -> Iterator[Finding]:
    """The findings that measured delays come to."""
    yield _forced("new name, asked", "a forced listing", delays.names)
    yield _forced("changed time, asked", "a forced look", delays.times)
    yield _plain("new name, cached", "exists()", delays.plain_name, delays.limit_seconds)
    yield _plain("changed time, cached", "stat()", delays.plain_time, delays.limit_seconds)
    yield _torn(delays.torn, is_between_hosts=is_between_hosts)


def _finding(
    name: str, measured: str, verdict: Verdict = Verdict.GOOD, remedy: str = "", values: Values | None = None
) -> Finding:
    return Finding(Section.PEER, name, measured, verdict, remedy, values=values or {})


def _forced(name: str, how: str, delays: list[float | None]) -> Finding:
    seen = [one for one in delays if one is not None]
    if len(seen) < len(delays) or not seen:
        remedy = "live workers would be taken for dead here: give another root (--root), or see how it is cached"
        measured = f"{how} did not show {len(delays) - len(seen)} of {len(delays)} changes in time"
        return _finding(name, measured, Verdict.UNFIT, remedy, {"median_seconds": None})
    median, slowest = statistics.median(seen), max(seen)
    measured = f"by {how} after {in_words(median)}, the slowest of {len(seen)} {in_words(slowest)}"
    values = {"median_seconds": median, "slowest_seconds": slowest}
    return Finding(Section.PEER, name, measured, slowest_seconds=slowest, values=values)


def _plain(name: str, how: str, seconds: float | None, limit: float) -> Finding:
    if seconds is not None and seconds < _LATE_SECONDS:
        return _finding(name, f"by {how} after {in_words(seconds)}", values={"seconds": seconds})
    after = f"after {in_words(seconds)}" if seconds is not None else f"not within {in_words(limit)}"
    remedy = "orch asks the server itself and does not mind; your own scripts on other hosts may"
    return _finding(name, f"by {how} {after}", Verdict.NOTE, remedy, {"seconds": seconds, "limit_seconds": limit})


def _torn(torn: Torn | None, *, is_between_hosts: bool) -> Finding:
    name = "lines appended by both"
    if torn is None:
        return _finding(name, "the other did not say how many it wrote", Verdict.NOTE, "run it again")
    values: Values = {"appended": torn.appended, "missing": torn.missing, "nul_bytes": torn.nul_bytes}
    if torn.missing or torn.nul_bytes:
        nul = f", {torn.nul_bytes:,} NUL bytes between" if torn.nul_bytes else ""
        measured = f"{torn.missing} of {torn.appended} synced lines are lost or torn{nul}"
        remedy = "orch never appends to one file from two hosts; let your own programs not do so either"
        return _finding(name, measured, Verdict.NOTE, remedy, values)
    told = "" if is_between_hosts else ", as on any single host"
    return _finding(name, f"all {torn.appended} whole{told}", values=values)
