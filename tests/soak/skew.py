"""Wall clocks that are an hour off, either way: no decision may notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from orchestrator.faults.places import Launch
from orchestrator.faults.plugins import Fault, Scene

_HOUR_SECONDS = 3600


class Skew(Fault):
    """Workers whose wall clock is an hour ahead or behind; monotonic clocks and file times stay true."""

    name = "clock"

    def missing(self) -> str:
        return "" if shutil.which("gcc") else "gcc"

    def set_up(self, scene: Scene) -> None:
        self._library = scene.folder / "skew.so"
        source = Path(__file__).with_name("skew.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", self._library, source, "-ldl"], check=True)
        self._prove()

    def _prove(self) -> None:
        """A library that shifts nothing would make this plug-in pass by doing nothing."""
        env = {"LD_PRELOAD": str(self._library), "SKEW": str(10 * _HOUR_SECONDS)}
        code = "import time; print(time.time() - time.clock_gettime_ns(time.CLOCK_TAI) / 1e9)"
        run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert float(run.stdout) > 9 * _HOUR_SECONDS, run.stdout

    def prepare(self, launch: Launch) -> Launch:
        seconds = self.chance.choice([0, _HOUR_SECONDS, -_HOUR_SECONDS])
        if not seconds:
            return launch
        self.counts["an hour ahead" if seconds > 0 else "an hour behind"] += 1
        return launch.with_env(LD_PRELOAD=str(self._library), SKEW=str(seconds))
