"""Free memory is what this process may really take."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.trainers.attempts import wait_until
from trainers.data.memory import available_bytes, cgroup_rooms, free_bytes

CONTROLLER = Path("/sys/fs/cgroup/memory")
MIB = 2**20


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")
    return folder


def v1(folder: Path, limit: int, usage: int, cached: int = 0) -> Path:
    statistics = f"inactive_file 1\ntotal_active_file {cached // 2}\ntotal_inactive_file {cached - cached // 2}"
    return write(
        folder, memory__limit_in_bytes=limit, memory__usage_in_bytes=usage, memory__stat=f"cache 9\n{statistics}"
    )


def v2(folder: Path, limit: int | str, usage: int, cached: int = 0) -> Path:
    statistics = f"anon 7\nactive_file {cached // 2}\ninactive_file {cached - cached // 2}"
    return write(folder, memory__max=limit, memory__current=usage, memory__stat=statistics)


def test_what_is_available_is_said_in_kibibytes() -> None:
    assert available_bytes("MemTotal:  24 kB\nMemFree:  1 kB\nMemAvailable:      7 kB\n") == 7 * 1024
    with pytest.raises(ValueError, match="no MemAvailable"):
        available_bytes("MemTotal: 24 kB\n")


def test_each_cgroup_up_to_the_root_leaves_its_own_room(tmp_path: Path) -> None:
    v2(tmp_path / "slice" / "job", "max", 10)
    v2(tmp_path / "slice", 1000, 400, cached=100)
    assert cgroup_rooms("0::/slice/job\n", tmp_path) == [700]
    v2(tmp_path / "slice" / "job", 500, 500)
    assert cgroup_rooms("0::/slice/job\n", tmp_path) == [0, 700]


def test_the_older_layout_says_the_same(tmp_path: Path) -> None:
    v1(tmp_path / "memory" / "job", 1000, 400, cached=101)
    v1(tmp_path / "memory", 2**63 - 4096, 0)
    membership = "5:cpu,cpuacct:/elsewhere\n4:memory:/job\n0::/\n"
    assert cgroup_rooms(membership, tmp_path) == [701, 2**63 - 4096]


def test_in_a_container_the_root_that_is_seen_counts(tmp_path: Path) -> None:
    v1(tmp_path / "memory", 1000, 400)
    assert cgroup_rooms("4:memory:/docker/of-the-host\n", tmp_path) == [600]


def test_a_cgroup_that_is_over_its_limit_has_no_room(tmp_path: Path) -> None:
    v2(tmp_path, 100, 130)
    assert cgroup_rooms("0::/\n", tmp_path) == [0]


def test_no_cgroups_are_no_limit(tmp_path: Path) -> None:
    assert cgroup_rooms("", tmp_path) == []
    assert cgroup_rooms("4:memory:/job\n0::/job\n", tmp_path) == []


def test_a_process_has_less_than_its_host() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < free_bytes(torch.device("cpu")) < total


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """A memory cgroup with 512 MiB; who writes its pid to `cgroup.procs` lives in it."""
    folder = CONTROLLER / f"free-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(512 * MIB))
    except OSError:
        pytest.skip("no memory cgroup can be made here")
    yield folder

    def is_removed() -> bool:
        try:
            folder.rmdir()
        except OSError:  # what lived in it is not gone yet
            return False
        return True

    wait_until(is_removed, "the cgroup is empty")


def test_a_process_in_a_small_cgroup_has_what_that_leaves(small_cgroup: Path) -> None:
    program = "import torch; from trainers.data.memory import free_bytes; print(free_bytes(torch.device('cpu')))"
    inside = f'echo $$ > {small_cgroup}/cgroup.procs && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", inside, "sh", sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 64 * MIB < int(done.stdout) < 512 * MIB


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_what_torch_takes_of_a_gpu_is_not_free_any_more() -> None:
    device = torch.device("cuda")
    before = free_bytes(device)
    taken = torch.empty(256 * MIB, dtype=torch.uint8, device=device)
    assert before - free_bytes(device) >= len(taken)
