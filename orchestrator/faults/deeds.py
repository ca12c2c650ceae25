"""What the jobs of a trial do: leave real files, take a while, ask to be tried again, and tell that they ran.

They are patient: a folder that refuses for a while is no reason for a job to fail, so that every failed end that a
trial counts is a finding.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Final

DIARY: Final = "ORCH_FAULTS_DIARY"  # a file outside the folder under attack, where each execution tells of itself
TARGET: Final = "orchestrator.faults.deeds:work"
_PATIENCE_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 0.2
_PREEMPTED: Final = 75


def content(seed: int, size: int) -> bytes:
    """The bytes that a job with this seed leaves; the same on every host."""
    return random.Random(seed).randbytes(size)  # noqa: S311


def work(seed: int, size: int, seconds: float, steps: int = 1) -> dict[str, str]:
    """Leave `size` seeded bytes, taking `seconds`; a job of two steps asks to be tried again after the first."""
    folder = Path(os.environ["ORCH_FOLDER"])
    _tell(folder, "ran")
    data = content(seed, size)
    half = len(data) // 2
    time.sleep(seconds / 2)
    earlier = os.environ.get("ORCH_RESUME", "")
    if steps > 1 and not earlier:
        _write(folder / "step.bin", data[:half])
        sys.exit(_PREEMPTED)
    time.sleep(seconds / 2)
    _write(folder / "weights.bin", data)
    return {"sha256": hashlib.sha256(data).hexdigest(), "resumed": str(bool(earlier))}


def _tell(folder: Path, what: str) -> None:
    """One whole line: job, attempt folder, what (`ran`, or an error's name), process, and when by this host's clock."""
    diary = os.environ.get(DIARY)
    if not diary:
        return
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    line = f"{folder.parent.name} {folder.name} {what} {os.getpid()} {now:.3f}\n"
    descriptor = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    """Write a file of one's own folder, again until it is whole."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            _tell(path.parent, errno.errorcode.get(error.errno or 0, "OSError"))
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def main() -> None:
    """`python -m orchestrator.faults.deeds SEED SIZE SECONDS STEPS`: the same as a program."""
    seed, size, seconds, steps = sys.argv[1:]
    result = work(int(seed), int(size), float(seconds), int(steps))
    _write(Path(os.environ["ORCH_FOLDER"]) / "result.json", json.dumps(result).encode())


if __name__ == "__main__":
    main()
