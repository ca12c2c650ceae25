"""How far a run is: a small file that is replaced about once a second, for whoever watches; no torch."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

_PERIOD_SECONDS: Final = 1.0


class Progress:
    """Writes the progress of one process.

    Args:
        path: the file to replace; None: nobody watches.
        epochs: of the whole run.
        done: epochs that an earlier attempt had done, with the part of the one it had begun.
    """

    def __init__(self, path: Path | None, epochs: int, done: float) -> None:
        self._path, self._epochs = path, epochs
        self._began_at, self._began = done, time.monotonic()
        self._images = 0
        self._written = 0.0

    def seen(self, images: int, done: float, peak_memory_bytes: int | None) -> None:
        """Take note of a step, and write if it is time.

        Args:
            images: in the step.
            done: epochs done, with the part of the running one.
            peak_memory_bytes: of the GPU.
        """
        self._images += images
        now = time.monotonic()
        if self._path is None or (now - self._written < _PERIOD_SECONDS and done < self._epochs):
            return
        self._written = now
        report = {
            "epoch": int(done),
            "epochs": self._epochs,
            "fraction": done / self._epochs,
            "eta_seconds": self.eta_seconds(done),
            "images_per_second": self._images / max(now - self._began, 1e-9),
            "peak_memory_bytes": peak_memory_bytes,
        }
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        temporary.write_text(json.dumps(report), encoding="utf-8")
        temporary.replace(self._path)

    def eta_seconds(self, done: float) -> float | None:
        """Seconds that are left at the pace of this process so far; None before there is a pace."""
        if done <= self._began_at:
            return None
        pace = (time.monotonic() - self._began) / (done - self._began_at)
        return pace * (self._epochs - done)
