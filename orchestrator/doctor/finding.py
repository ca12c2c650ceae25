"""What a probe found: a verdict, what was measured, and how to mend what is not good."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Final

Values = Mapping[str, float | int | str | bool | None]


class Verdict(Enum):
    """Whether orch can work with what was found."""

    GOOD = "good"
    NOTE = "note"
    UNFIT = "unfit"


class Section(Enum):
    """What a probe looked at."""

    HOST = "this host"
    ROOT = "the root"
    PEER = "between two processes"
    LEASE = "the lease"


@dataclass(frozen=True)
class Finding:
    """One probe's result.

    Attributes:
        section: what was looked at.
        name: of the probe, a few words.
        measured: what was seen, with units, for people.
        verdict: whether orch can work with it.
        remedy: what to do about what is not good; empty where it is good.
        slowest_seconds: the longest that one operation on the root took, or that something stayed unseen.
        values: the same for scripts; units end the names.
    """

    section: Section
    name: str
    measured: str
    verdict: Verdict = Verdict.GOOD
    remedy: str = ""
    slowest_seconds: float = 0.0
    values: Values = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"section": self.section.value, "verdict": self.verdict.value}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Finding:
        return cls(
            **{**document, "section": Section(document["section"]), "verdict": Verdict(document["verdict"])},
        )


_REMEDIES: Final[Mapping[int, str]] = {
    errno.EROFS: "mount it read-write, or give another root (--root)",
    errno.EACCES: "give a root where you may write (--root); for several users: one group, setgid folders, umask 002",
    errno.ENOSPC: "make room: delete something, or give a root on a file system with space and inodes left (--root)",
    errno.EDQUOT: "your quota is used up: delete something, have it raised, or give another root (--root)",
    errno.ESTALE: "the server has forgotten the folder: unmount it and mount it again",
    errno.EIO: "the server or the disk reports errors: see dmesg, and whether the server is up",
    errno.ETIMEDOUT: "the server did not answer in time: is it up? mount with `hard`, so that calls wait for it",
    errno.EXDEV: "links may not cross folders here (AFS, some BeeGFS, project quotas): give another root (--root)",
    errno.EMLINK: "one file may have too few names here: give a root on NFS, ext4, xfs or btrfs (--root)",
    errno.ENAMETOOLONG: "names of jobs do not fit here: give a root on NFS, ext4, xfs or btrfs (--root)",
    errno.ENOTDIR: "give a folder as the root (--root)",
}
_NO_LINKS: Final = "no hard links here (vfat, exFAT, some FUSE and SMB mounts): give a root on NFS, ext4, xfs or btrfs"
_NO_LINK_ERRORS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def remedy_for(error: OSError, *, is_link: bool = False) -> str:
    """What to do about an error of the root.

    Args:
        error: what the system said.
        is_link: it was a hard link that failed, so that EPERM means: there are none.
    """
    if is_link and error.errno in _NO_LINK_ERRORS:
        return _NO_LINKS
    if error.errno == errno.EPERM:
        return _REMEDIES[errno.EACCES]
    return _REMEDIES.get(error.errno or 0, "give another root (--root), or see dmesg for what is wrong with this one")


def refused(name: str, error: OSError, *, is_link: bool = False) -> Finding:
    """The finding for a root that answered a probe with an error."""
    code = errno.errorcode.get(error.errno or 0, "")
    text = os.strerror(error.errno) if error.errno else str(error)
    measured = f"{text} ({code})" if code else text
    remedy = remedy_for(error, is_link=is_link)
    return Finding(Section.ROOT, name, measured, Verdict.UNFIT, remedy, values={"errno": code})


def in_words(seconds: float) -> str:
    """A duration with few digits: 30 us, 0.4 ms, 35 ms, 2.1 s, 40 s."""
    if seconds < 0.0001:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
