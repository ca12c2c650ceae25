"""GPUs by name, and the locks that keep two attempts of one host off one GPU."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess

import pytest

from jobs.errors import HostUnfitError, InputError
from orchestrator.gpus import Gpu, choose, inventory, is_free, lock_path, select

pytestmark = pytest.mark.usefixtures("own_locks")

CARDS = [Gpu(index, f"GPU-{index}{index}", "Card") for index in range(3)]


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [
        (None, [0, 1, 2]),
        ("all", [0, 1, 2]),
        ("none", []),
        ("2,0", [2, 0]),
        ("1", [1]),
        ("1,1", [1]),
        (" 0 , 1 ", [0, 1]),
    ],
)
def test_gpus_are_chosen_by_index_each_once(wanted: str | None, indices: list[int]) -> None:
    assert [gpu.index for gpu in select(wanted, CARDS)] == indices


@pytest.mark.parametrize("wanted", ["3", "0,7", "-1"])
def test_a_gpu_that_is_not_there_is_named(wanted: str) -> None:
    with pytest.raises(HostUnfitError, match="is not there; this host has: 0, 1, 2"):
        select(wanted, CARDS)


@pytest.mark.parametrize("wanted", ["two", "0;1", "", "0,"])
def test_what_is_no_list_of_indices_is_refused(wanted: str) -> None:
    with pytest.raises(InputError, match="not a list of numbers"):
        select(wanted, CARDS)


def test_a_host_without_gpus_cannot_give_all_or_one() -> None:
    assert select(None, []) == []
    with pytest.raises(HostUnfitError, match="this host has no GPU"):
        select("all", [])
    with pytest.raises(HostUnfitError, match="GPU 0 is not there; this host has: none"):
        select("0", [])


@pytest.mark.skipif(not inventory(), reason="this host has no GPU")
def test_the_gpus_of_this_host_have_uuids_and_names_in_order() -> None:
    there = inventory()
    assert [gpu.index for gpu in there] == list(range(len(there)))
    assert len({gpu.uuid for gpu in there}) == len(there)
    assert all(gpu.uuid.startswith("GPU-") and gpu.name for gpu in there)
    assert choose(str(there[-1].index)) == [there[-1]]


# --- locks ----------------------------------------------------------------------------------------------------------


def test_a_gpu_is_free_only_when_the_last_process_that_inherited_its_lock_is_gone() -> None:
    descriptor = os.open(lock_path("GPU-00"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert not is_free("GPU-00")
    heir = subprocess.Popen(["sleep", "100"], pass_fds=(descriptor,), start_new_session=True)
    os.close(descriptor)
    assert not is_free("GPU-00")
    assert is_free("GPU-11")
    heir.send_signal(signal.SIGKILL)
    heir.wait()
    assert is_free("GPU-00")


def test_asking_whether_a_gpu_is_free_does_not_take_it() -> None:
    assert is_free("GPU-00")
    assert is_free("GPU-00")


def test_nobody_else_may_enter_the_folder_of_the_locks() -> None:
    assert lock_path("GPU-00").parent.stat().st_mode & 0o077 == 0
