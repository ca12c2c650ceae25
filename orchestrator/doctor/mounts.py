"""How the root is mounted: its file system and the options that matter to orch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from orchestrator.doctor.finding import Finding, Section, Values, Verdict

_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_SLOW_CACHE_SECONDS: Final = 60
_NFS: Final = {"nfs", "nfs4"}
_SMB: Final = {"cifs", "smb3", "smbfs"}
_NETWORK: Final = _NFS | _SMB | {
    "9p", "afs", "beegfs", "ceph", "gfs2", "glusterfs", "gpfs", "lustre", "ocfs2", "orangefs", "panfs", "virtiofs",
    "wekafs",
}  # fmt: skip
_FUSE_NETWORK: Final = {"fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.juicefs", "fuse.moosefs"}
_UNTOLD: Final = {
    "addr", "clientaddr", "gid", "group_id", "mountaddr", "mountport", "mountproto", "mountvers", "namlen", "nodev",
    "nosuid", "port", "proto", "relatime", "rsize", "sec", "uid", "user_id", "wsize",
}  # fmt: skip
_MEMORY: Final = {"tmpfs", "ramfs"}
_LAYERS: Final = {"overlay", "aufs"}
_DISK: Final = {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "xfs", "zfs"}
_NO_LINKS: Final = {"exfat", "msdos", "vfat"}


class Reach(Enum):
    """Who can see a file system."""

    NETWORK = "network"
    LOCAL = "local"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo: where, what kind, from where, and all options of the mount and of its file system."""

    point: str
    kind: str
    source: str
    options: frozenset[str]

    @property
    def reach(self) -> Reach:
        if self.kind in _NETWORK or self.kind in _FUSE_NETWORK:
            return Reach.NETWORK
        if self.kind in _MEMORY | _LAYERS | _DISK | _NO_LINKS:
            return Reach.LOCAL
        return Reach.UNKNOWN

    def option(self, key: str) -> str | None:
        """The value of `key=value` among the options."""
        return next((text.partition("=")[2] for text in self.options if text.startswith(f"{key}=")), None)


def parse(mountinfo: str) -> list[Mount]:
    """The mounts of /proc/self/mountinfo, in its order."""
    mounts = []
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        own, tail = fields.split(" "), rest.split(" ")
        if len(own) < 6 or len(tail) < 3:
            continue
        options = frozenset(own[5].split(",")) | frozenset(tail[2].split(","))
        mounts.append(Mount(_unescaped(own[4]), tail[0], _unescaped(tail[1]), options))
    return mounts


def _unescaped(text: str) -> str:
    """Blanks, tabs, newlines and backslashes stand in mountinfo as octal numbers."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """The mount that a path without symbolic links lies on; of two on one point, the later covers the other."""
    found = None
    for mount in mounts:
        prefix = mount.point.rstrip("/")
        is_above = path == prefix or path.startswith(f"{prefix}/")
        if is_above and (found is None or len(prefix) >= len(found.point.rstrip("/"))):
            found = mount
    return found


def here() -> list[Mount]:
    """The mounts that this process sees."""
    return parse(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))


def judge(mount: Mount | None) -> Finding:
    """What a mount means for orch."""
    if mount is None:
        return Finding(
            Section.ROOT, "mount", "not found in /proc/self/mountinfo", Verdict.NOTE, "is /proc mounted here?"
        )
    shown = "seen by this host only" if mount.reach is Reach.LOCAL else _told_options(mount)
    measured = f"{mount.kind} from {mount.source} on {mount.point} ({shown})"
    values: Values = {"kind": mount.kind, "source": mount.source, "point": mount.point, "reach": mount.reach.value,
              "options": ",".join(sorted(mount.options))}  # fmt: skip
    if "ro" in mount.options:
        remedy = "mount it read-write, or give another root (--root)"
        return Finding(Section.ROOT, "mount", f"read-only: {measured}", Verdict.UNFIT, remedy, values=values)
    advice = [text for text in (_advice_on_kind(mount), *_advice_on_options(mount)) if text]
    verdict = Verdict.NOTE if advice else Verdict.GOOD
    return Finding(Section.ROOT, "mount", measured, verdict, "; ".join(advice), values=values)


def _told_options(mount: Mount) -> str:
    """The options without addresses, sizes and the like."""
    return ", ".join(sorted(text for text in mount.options if text.partition("=")[0] not in _UNTOLD))


def _advice_on_kind(mount: Mount) -> str:
    if mount.kind in _MEMORY:
        return "this is memory: gone at the next boot; good for a trial, give a disk or NFS for results"
    if mount.kind in _LAYERS:
        return "a container's own layer: gone with the container; mount a volume or NFS for results"
    if mount.kind in _SMB:
        return "SMB keeps names and times for itself for a while; NFS is what orch is tried on"
    if mount.kind == "fuse.sshfs":
        return "sshfs keeps names and times for itself for a while; mount it by NFS where you can"
    if mount.reach is Reach.UNKNOWN:
        return (
            f"orch was never tried on {mount.kind}; run doctor on two hosts at once to see what one sees of the other"
        )
    return ""


def _advice_on_options(mount: Mount) -> list[str]:
    if mount.kind not in _NFS:
        return []
    said = []
    if "soft" in mount.options or "softerr" in mount.options:
        said.append("`soft` turns a server away for a while into errors of your programs: mount with `hard`")
    if "noac" in mount.options:
        said.append("`noac` makes all work slow, and orch has no need of it: it asks the server itself")
    if "nocto" in mount.options:
        said.append("with `nocto` your own programs may read a file of another host as it was before")
    slow = [f"{key}={text}" for key in ("actimeo", "acregmax", "acdirmax") if _is_slow(text := mount.option(key))]
    if slow:
        said.append(f"with {', '.join(slow)} your own programs see other hosts' files late; orch does not mind")
    return said


def _is_slow(text: str | None) -> bool:
    return text is not None and text.isdecimal() and int(text) > _SLOW_CACHE_SECONDS
