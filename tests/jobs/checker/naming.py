"""Workers and jobs under other names: what differs in them alone is one state."""

from __future__ import annotations

import itertools
import re
from typing import Final

from tests.jobs.checker.shape import SID, Shape, job_id, job_number

_JOB: Final = re.compile(r"job-\d{4}")


class Naming:
    """Workers and jobs under other names: (worker -> worker, job -> job)."""

    def __init__(self, workers: tuple[int, ...], jobs: tuple[int, ...]) -> None:
        self.workers, self.jobs = workers, jobs

    @property
    def is_same(self) -> bool:
        return self.workers == tuple(range(len(self.workers))) and self.jobs == tuple(range(len(self.jobs)))

    def worker(self, number: int) -> int:
        return self.workers[number] if number < len(self.workers) else number

    def sid(self, sid: str) -> str:
        return f"{self.worker(int(sid[:8], 16)):08x}{sid[8:]}"

    def text(self, text: str) -> str:
        """A path, or any text, with the other names in it."""
        text = SID.sub(lambda match: self.sid(match[0]), text)
        return _JOB.sub(lambda match: job_id(self.jobs[job_number(match[0])]), text)


def namings(shape: Shape) -> list[Naming]:
    """Every other way to name what is alike."""
    pairs = itertools.product(itertools.permutations(range(shape.workers)), itertools.permutations(range(shape.jobs)))
    return [naming for naming in itertools.starmap(Naming, pairs) if not naming.is_same]
