"""The locks that keep two attempts of one host off one GPU, as an attempt takes them."""

from __future__ import annotations

import fcntl
import os
from typing import Final

GPU_TAKEN: Final = "another process of this host uses the GPU"


def take_lock(path: str) -> int:
    """A descriptor that holds a lock; who inherits it holds it too.

    Raises:
        BlockingIOError: somebody else has it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
