"""The shared folder of a trial, as the engine reaches it: planned, looked at while it is under attack, and judged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from jobs import layout
from jobs.records import Claimer, decode_claimer
from orchestrator.faults.audit import Audit, audit
from orchestrator.faults.workload import EXPERIMENT, Workload, wrong_results


class Ground(Protocol):
    """What the engine asks of a root, wherever it lies.

    Attributes:
        root: as workers are to see it unless a fault shows them another way to it.
    """

    root: Path

    def plan(self, workload: Workload, count: int) -> None: ...

    def marked(self) -> int:
        """How many jobs are marked as done."""
        ...

    def owners(self) -> dict[str, Claimer]:
        """Sessions that own an attempt without an end, by sid."""
        ...

    def has_ended(self, sid: str) -> bool:
        """Whether that session has an end."""
        ...

    def judge(self) -> tuple[Audit, list[str]]:
        """The audit of the root at rest, and the results that are not what their seeds give."""
        ...


class HereGround:
    """A root that this host can read directly, past whatever faults the workers see."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def plan(self, workload: Workload, count: int) -> None:
        workload.plan(self.root, count)

    def marked(self) -> int:
        folder = self.root / EXPERIMENT / layout.DONE
        registers = (layout.parse_register(path.name) for path in folder.glob("*/*"))
        return len({register.job for register in registers if register is not None})

    def owners(self) -> dict[str, Claimer]:
        owners = {}
        for claim in self._open_claims():
            with contextlib.suppress(FileNotFoundError, ValueError):
                who = decode_claimer(claim.read_bytes())
                owners[who.sid] = who
        return owners

    def _open_claims(self) -> Iterator[Path]:
        for shard in (self.root / EXPERIMENT / layout.LOG).glob("*"):
            names = {path.name for path in shard.iterdir()}
            for name in names:
                register = layout.parse_register(name)
                if register is not None and not register.suffix and f"{name}.end" not in names:
                    yield shard / name

    def has_ended(self, sid: str) -> bool:
        return (self.root / layout.session_end(sid)).exists()

    def judge(self) -> tuple[Audit, list[str]]:
        return audit(self.root), list(wrong_results(self.root))
