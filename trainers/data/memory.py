"""How much memory is free: of a GPU, or of this host as far as this process may use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch

_MEMINFO: Final = Path("/proc/meminfo")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_V1: Final = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
_V2: Final = ("memory.max", "memory.current", "")


def free_bytes(device: torch.device) -> int:
    """What can still be taken on a device.

    On a GPU: what no process has; what torch holds and does not use counts as taken. On a CPU: what the kernel can
    give without swapping, and no more than the memory cgroups of this process leave.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    membership = _MEMBERSHIP.read_text(encoding="utf-8")
    return min([available_bytes(_MEMINFO.read_text(encoding="utf-8")), *cgroup_rooms(membership, _CGROUPS)])


def available_bytes(meminfo: str) -> int:
    """`MemAvailable` of the text of /proc/meminfo.

    Raises:
        ValueError: it does not say.
    """
    for line in meminfo.splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    raise ValueError("/proc/meminfo has no MemAvailable; is this Linux?")


def cgroup_rooms(membership: str, root: Path) -> list[int]:
    """What each cgroup that limits a process's memory has left, its own and those above, in bytes.

    Pages of files that the cgroup has read are not taken: the kernel drops them first. The images themselves are
    such pages while they are memory-mapped.

    Args:
        membership: the text of /proc/<pid>/cgroup.
        root: where cgroups are mounted.
    """
    return [room for folder, files in _memory_cgroups(membership, root) if (room := _room(folder, *files)) is not None]


def _memory_cgroups(membership: str, root: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, files = root, _V2
        elif "memory" in controllers.split(","):
            base, files = root / "memory", _V1
        else:
            continue
        # In a container the path may be the host's, of which only the root can be seen here: the container's own.
        own = base / path.lstrip("/")
        for folder in (own, *own.parents):
            yield folder, files
            if folder == base:
                break


def _room(folder: Path, limit_name: str, usage_name: str, prefix: str) -> int | None:
    """None: no limit, or nothing to be seen."""
    try:
        limit = (folder / limit_name).read_text(encoding="ascii").strip()
        if limit == "max":
            return None
        usage = int((folder / usage_name).read_text(encoding="ascii"))
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    except OSError:
        return None
    cached = sum(int(statistics.get(f"{prefix}{kind}_file", 0)) for kind in ("active", "inactive"))
    return max(int(limit) - usage + cached, 0)
