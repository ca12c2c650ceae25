"""What a judge may find wrong in a root."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Breach(StrEnum):
    """A promise that was not kept."""

    LOST = "jobs without a final end"
    TWICE = "jobs accepted twice"
    AFTER_DONE = "claims after a standing done or cancelled end"
    GAP = "attempts with gaps"
    UNFENCED = "attempts claimed before the one below had ended"
    UNCLAIMED = "ends of attempts that nobody claimed"
    EARLY = "attempts evicted though their session has no end"
    DIFFERS = "files that differ from their record"
    UNLISTED = "files that their record does not name"
    UNMARKED = "done ends without a marker"
    MISMARKED = "markers without a done end"
    ILLEGIBLE = "records that cannot be decoded"
    OPEN = "claims without an end"
    STRANGE = "names that no register has"


@dataclass(frozen=True, slots=True)
class Finding:
    """A breach, and where: a path under the root, with what is wrong there."""

    breach: Breach
    where: str
