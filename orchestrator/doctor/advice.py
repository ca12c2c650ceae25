"""Which lease to use on a root: one rule, from what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from orchestrator.doctor.finding import Finding, Section, Values, Verdict, in_words
from orchestrator.doctor.mounts import Reach

LOCAL_SECONDS: Final = 30.0
SHARED_SECONDS: Final = 90.0
_STEP_SECONDS: Final = 30.0
# A look longer than a quarter of a lease proves nothing, and a beat comes each third: three times that to spare.
_LEASE_PER_DELAY: Final = 12.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease in seconds, and why."""

    seconds: float
    reason: str


def recommend(reach: Reach, slowest_seconds: float) -> Lease:
    """The lease for a root.

    Args:
        reach: who can see it: a server can be away for a while, a disk of one's own cannot.
        slowest_seconds: the longest that an operation took, or that a change stayed unseen by a forced look.
    """
    if reach is Reach.LOCAL:
        least, reason = LOCAL_SECONDS, "a disk of this host, no server to wait for"
    else:
        least, reason = SHARED_SECONDS, "three times the 30 s that a file server may be away and nobody should notice"
    needed = _LEASE_PER_DELAY * slowest_seconds
    if needed <= least:
        return Lease(least, reason)
    seconds = math.ceil(needed / _STEP_SECONDS) * _STEP_SECONDS
    reason = (
        f"the slowest operation took {in_words(slowest_seconds)}, and a look must take well under a quarter of a lease"
    )
    return Lease(seconds, reason)


def compare(lease: Lease, used_seconds: float, beat_seconds: float) -> Finding:
    """The recommended lease against the one that a worker would use here and now."""
    values: Values = {"recommended_seconds": lease.seconds, "used_seconds": used_seconds, "beat_seconds": beat_seconds}
    measured = f"{lease.seconds:g} s recommended: {lease.reason}"
    used = f"a worker started here takes {used_seconds:g} s and beats every {beat_seconds:g} s"
    setting = f"export ORCH_LEASE_SECONDS={lease.seconds:g}"
    if used_seconds == lease.seconds:
        return Finding(Section.LEASE, "lease", f"{measured}; {used}", values=values)
    if used_seconds > lease.seconds:
        told = f"{measured}; {used}; for quicker take-over: {setting}"
        return Finding(Section.LEASE, "lease", told, values=values)
    remedy = f"live workers may be taken for dead, and their jobs run again: {setting}"
    return Finding(Section.LEASE, "lease", f"{measured}; {used}", Verdict.NOTE, remedy, values=values)
