"""How far a run is: a small file that is replaced about once a second, for whoever watches; no torch."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from trainers.passing import is_passing

log = logging.getLogger(__name__)

_PERIOD_SECONDS: Final = 1.0


def _unknown() -> None:
    return None


class Progress:
    """Writes the progress of one process.

    Args:
        path: the file to replace; None: nobody watches.
        epochs: of the whole run.
        done: epochs that an earlier attempt had done, with the part of the one it had begun.
        peak_memory_bytes: says how much has been taken at most; asked once a second.
    """

    def __init__(
        self, path: Path | None, epochs: int, done: float, peak_memory_bytes: Callable[[], int | None] = _unknown
    ) -> None:
        self._path, self._epochs = path, epochs
        self._peak_memory_bytes = peak_memory_bytes
        self._began_at, self._began = done, time.monotonic()
        self._images = 0
        self._written = 0.0
        self._is_lost = False
        self._report: dict[str, Any] = {"epoch": int(done), "epochs": epochs, "fraction": done / epochs}

    def seen(self, images: int, done: float) -> None:
        """Take note of a step, and write if it is time.

        Args:
            images: in the step.
            done: epochs done, with the part of the running one.
        """
        self._images += images
        now = time.monotonic()
        if self._path is None or (now - self._written < _PERIOD_SECONDS and done < self._epochs):
            return
        self._written = now
        self._report = {
            "epoch": int(done),
            "epochs": self._epochs,
            "fraction": done / self._epochs,
            "eta_seconds": self.eta_seconds(done),
            "images_per_second": self.images_per_second(now),
            "peak_memory_bytes": self._peak_memory_bytes(),
            "waiting": None,
        }
        self._put(self._path)

    def images_per_second(self, now: float | None = None) -> float:
        """Images trained on by this process a second, evaluation and checkpoints included."""
        return self._images / max((time.monotonic() if now is None else now) - self._began, 1e-9)

    def waits(self, line: str) -> None:
        """Say, in the log and in the file, what the run waits for."""
        log.warning("%s", line)
        self._report["waiting"] = line
        if self._path is not None:
            self._put(self._path)

    def _put(self, path: Path) -> None:
        """Replace the file; where there is no room for it, whoever watches sees an older one."""
        temporary = path.with_name(f"{path.name}.tmp")
        try:
            temporary.write_text(json.dumps(self._report), encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            if not is_passing(error):
                raise
            if not self._is_lost:
                log.warning("progress could not be written (%s); training goes on", error)
            self._is_lost = True
        else:
            self._is_lost = False

    def eta_seconds(self, done: float) -> float | None:
        """Seconds that are left at the pace of this process so far; None before there is a pace."""
        if done <= self._began_at:
            return None
        pace = (time.monotonic() - self._began) / (done - self._began_at)
        return pace * (self._epochs - done)
