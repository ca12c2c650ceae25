from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.doctor import mounts
from orchestrator.doctor.finding import Verdict
from orchestrator.doctor.mounts import Mount, Reach

MOUNTINFO = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 0:40 / /home rw,noatime shared:12 master:1 - nfs4 server:/home rw,vers=4.2,hard,timeo=600
41 40 0:41 / /home/my\\040data\\134s rw - tmpfs tmp rw
42 27 0:42 / /homes rw - xfs /dev/sdb rw
43 27 0:43 / /home rw - nfs4 other:/home rw,vers=3,soft
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind", "source"),
    [
        ("/", "ext4", "/dev/vda"),
        ("/srv/home", "ext4", "/dev/vda"),
        ("/homes/x", "xfs", "/dev/sdb"),
        ("/homestead", "ext4", "/dev/vda"),
        ("/home/my data\\s/runs", "tmpfs", "tmp"),
        ("/home/x", "nfs4", "other:/home"),
        ("/home", "nfs4", "other:/home"),
    ],
)
def test_a_path_lies_on_the_deepest_mount_above_it_and_the_last_made(path: str, kind: str, source: str) -> None:
    found = mounts.mount_of(path, mounts.parse(MOUNTINFO))
    assert found is not None
    assert (found.kind, found.source) == (kind, source)


def test_options_of_the_mount_and_of_its_file_system_are_one_set() -> None:
    found = mounts.parse(MOUNTINFO)[2]
    assert found.options == {"rw", "noatime", "vers=4.2", "hard", "timeo=600"}
    assert found.option("timeo") == "600"
    assert found.option("acdirmax") is None


def test_this_very_folder_lies_on_some_mount(tmp_path: Path) -> None:
    found = mounts.mount_of(str(tmp_path.resolve()), mounts.here())
    assert found is not None
    assert tmp_path.is_relative_to(found.point)


def judged(kind: str, *options: str) -> tuple[Verdict, str]:
    finding = mounts.judge(Mount("/mnt", kind, "somewhere", frozenset(options)))
    return finding.verdict, finding.remedy


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ext4", ("rw", "discard")),
        ("xfs", ("rw",)),
        ("nfs4", ("rw", "vers=4.2", "hard", "timeo=600", "acdirmax=60")),
        ("nfs", ("rw", "vers=3", "hard", "nolock", "local_lock=all")),
        ("lustre", ("rw", "flock")),
    ],
)
def test_usual_mounts_are_good(kind: str, options: tuple[str, ...]) -> None:
    assert judged(kind, *options) == (Verdict.GOOD, "")


@pytest.mark.parametrize(
    ("kind", "option", "word"),
    [
        ("nfs4", "soft", "hard"),
        ("nfs", "softerr", "hard"),
        ("nfs4", "noac", "asks the server itself"),
        ("nfs", "nocto", "your own programs"),
        ("nfs4", "acdirmax=600", "acdirmax=600"),
        ("nfs4", "actimeo=61", "actimeo=61"),
        ("tmpfs", "size=1g", "boot"),
        ("overlay", "lowerdir=/l", "container"),
        ("cifs", "vers=3.1.1", "NFS"),
        ("fuse.sshfs", "allow_other", "sshfs"),
        ("fuse.own", "allow_other", "fuse.own"),
    ],
)
def test_what_is_unusual_is_worth_a_note_that_says_why(kind: str, option: str, word: str) -> None:
    verdict, remedy = judged(kind, "rw", option)
    assert verdict is Verdict.NOTE
    assert word in remedy


def test_options_of_nfs_say_nothing_about_other_file_systems() -> None:
    assert judged("ceph", "rw", "noac", "soft") == (Verdict.GOOD, "")


def test_a_read_only_mount_is_unfit() -> None:
    verdict, remedy = judged("nfs4", "ro", "hard")
    assert verdict is Verdict.UNFIT
    assert "read-write" in remedy


@pytest.mark.parametrize(
    ("kind", "reach"),
    [
        ("nfs4", Reach.NETWORK),
        ("fuse.sshfs", Reach.NETWORK),
        ("ext4", Reach.LOCAL),
        ("tmpfs", Reach.LOCAL),
        ("fuse", Reach.UNKNOWN),
    ],
)
def test_only_a_disk_or_memory_of_this_host_is_local(kind: str, reach: Reach) -> None:
    assert Mount("/", kind, "x", frozenset()).reach is reach
