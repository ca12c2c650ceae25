"""Whether this host is fit to work, whatever the root: cores, limits, clocks of processes, scratch, versions."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import resource
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from jobs.process import boot_id, pid_namespace
from orchestrator.doctor.finding import Finding, Section, Values, Verdict
from orchestrator.doctor.space import free_space

# A worker holds some ten descriptors a slot; loaders of data and pools of threads take the rest.
_FEW_FILES: Final = 1024


def _finding(
    name: str, measured: str, verdict: Verdict = Verdict.GOOD, remedy: str = "", values: Values | None = None
) -> Finding:
    return Finding(Section.HOST, name, measured, verdict, remedy, values=values or {})


def examine_host() -> Iterator[Finding]:
    """What can be told of this host without its GPUs and without the root."""
    yield machine()
    yield identity()
    yield open_files(*resource.getrlimit(resource.RLIMIT_NOFILE))
    yield scratch()
    yield versions(installed("torch"), installed("torchvision"), needed_torch())


def machine() -> Finding:
    """Name, system, cores that this process may use."""
    cores, all_cores = len(os.sched_getaffinity(0)), os.cpu_count()
    of = f" of {all_cores}" if all_cores is not None and all_cores > cores else ""
    measured = (
        f"{socket.gethostname()}, Linux {platform.release()}, cores: {cores}{of}, Python {platform.python_version()}"
    )
    values: Values = {"host": socket.gethostname(), "cores": cores, "python": platform.python_version()}
    return _finding("host", measured, values=values)


def identity() -> Finding:
    """Whether a worker here can be told from others, and told dead at once by those beside it."""
    try:
        boot, namespace = boot_id(), pid_namespace()
        is_own_proc = os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115  not a path of any file system
    except OSError as error:
        remedy = "mount /proc here: workers tell each other by the boot id and the pid namespace that it shows"
        return _finding("process ids", f"{error.filename}: {error.strerror}", Verdict.UNFIT, remedy)
    values: Values = {"boot": boot, "pid_namespace": namespace, "is_own_proc": is_own_proc}
    if not is_own_proc:
        remedy = "a killed worker is found out by its lease alone, not at once: mount /proc anew in here"
        measured = "a pid namespace without a /proc of its own"
        return _finding("process ids", measured, Verdict.NOTE, remedy, values)
    return _finding("process ids", "boot id and own /proc can be read", values=values)


def open_files(soft: int, hard: int) -> Finding:
    """How many files a process may hold open."""
    values: Values = {"soft": soft, "hard": hard}
    measured = f"{_limit(soft)}, at most {_limit(hard)}"
    if soft != resource.RLIM_INFINITY and soft < _FEW_FILES:
        remedy = f"few for loaders of data: ulimit -n {_FEW_FILES if hard == -1 else min(hard, 4 * _FEW_FILES)}"
        return _finding("open files", measured, Verdict.NOTE, remedy, values)
    return _finding("open files", measured, values=values)


def _limit(count: int) -> str:
    return "unlimited" if count == resource.RLIM_INFINITY else f"{count:,}"


def scratch() -> Finding:
    """The folder of this host where slots keep what they print, and GPU slots their locks."""
    try:
        folder = Path(tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        room = free_space(folder, Section.HOST, "scratch")
        locks = folder / f"orch-{os.getuid()}"
        is_taken = locks.exists() and locks.stat().st_uid != os.getuid()
    except OSError as error:
        measured = f"{error.filename or ''} {error.strerror}".strip()
        return _finding("scratch", measured, Verdict.UNFIT, "set TMPDIR to a folder of this host where you may write")
    if is_taken:
        remedy = f"remove it, or set TMPDIR to another folder than {folder}"
        return _finding("scratch", f"{locks} is somebody else's", Verdict.UNFIT, remedy)
    return _finding("scratch", f"{folder}: {room.measured}", room.verdict, room.remedy, room.values)


def installed(package: str) -> str | None:
    """A package's version by its metadata, without importing it; None: not there."""
    if importlib.util.find_spec(package) is None:
        return None
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def needed_torch() -> str:
    """Which versions of torch the installed torchvision asks for, such as ==2.9.0; empty: it does not say."""
    try:
        needs = [Requirement(text) for text in importlib.metadata.requires("torchvision") or []]
    except importlib.metadata.PackageNotFoundError:
        return ""
    return next((str(need.specifier) for need in needs if need.name == "torch" and need.marker is None), "")


def versions(torch: str | None, torchvision: str | None, needed: str) -> Finding:
    """Whether torch and torchvision are there and fit each other.

    Args:
        torch: installed version, such as 2.9.0+cu128.
        torchvision: the same.
        needed: versions of torch that this torchvision asks for, as `needed_torch` gives them.
    """
    values: Values = {"torch": torch, "torchvision": torchvision, "needed_torch": needed}
    if torch is None or torchvision is None:
        both = {"torch": torch, "torchvision": torchvision}
        missing = " and ".join(name for name, version in both.items() if version is None)
        remedy = "pip install torchvision, which brings its torch"
        return _finding("torch", f"{missing}: not installed for this Python", Verdict.UNFIT, remedy, values)
    measured = f"torch {torch}, torchvision {torchvision}"
    if not SpecifierSet(needed).contains(torch, prereleases=True):
        remedy = f"this torchvision needs torch {needed}: pip install --force-reinstall torchvision"
        return _finding("torch", measured, Verdict.UNFIT, remedy, values)
    return _finding("torch", measured, values=values)
