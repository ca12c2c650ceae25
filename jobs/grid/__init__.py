"""Grids: a YAML file becomes job specs.

The rules are applied in this order: `--set` (on the file), zip, when.grid, exclude, include, when.set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs.errors import InputError
from jobs.grid.document import read_grid
from jobs.grid.expand import Expansion
from jobs.grid.kind import Leaves
from jobs.grid.node import Node
from jobs.grid.policy import POLICY_LEAVES, policy_fields
from jobs.grid.tables import Document
from jobs.identity import job_id
from jobs.spec import JobSpec, Kind

__all__ = ["Grid", "load_grid"]


class Grid:
    """A grid, checked as far as it can be without making its cells.

    Attributes:
        name: of the experiment.
        kind: of its jobs.
        size: at most so many jobs.
        duplicates: cells of the last complete `jobs()` that were the same job as an earlier one.
    """

    def __init__(self, document: Document) -> None:
        self.name: str = document.name
        self.kind: Kind = document.kind_name
        self.duplicates = 0
        self._document = document
        self._expansion = Expansion(document)
        self.size: int = self._expansion.size

    def jobs(self) -> Iterator[JobSpec]:
        """Each job once, made as it is asked for.

        Raises:
            InputError: a cell that is wrong, or, after the last, a rule that matched nothing. So what is written from
                this stream is whole only once the stream has ended.
        """
        self.duplicates = 0
        seen: set[str] = set()
        policies: dict[tuple[Node | None, ...], dict[str, Any]] = {}
        for cell in self._expansion.cells():
            spec = self._spec(cell, policies)
            if spec.id in seen:
                self.duplicates += 1
                continue
            seen.add(spec.id)
            yield spec
        if not seen:
            raise InputError(f"{self._document.source}: the rules exclude every cell", "correct the rules")

    def _spec(self, cell: Leaves, policies: dict[tuple[Node | None, ...], dict[str, Any]]) -> JobSpec:
        nodes = tuple(map(cell.get, POLICY_LEAVES))
        policy = policies.get(nodes)
        if policy is None:
            policy = policies[nodes] = policy_fields(cell)
        made = self._document.kind.make(cell)
        content = made.content
        if self._document.needs:
            content["needs"] = list(self._document.needs)
        return JobSpec(
            id=job_id(self.kind, content),
            kind=self.kind,
            content=content,
            cell=made.cell,
            needs=self._document.needs,
            data_path=made.data_path,
            **policy,
        )


def load_grid(path: Path, sets: Sequence[str], data_root: Path) -> Grid:
    """Read a grid.

    Args:
        path: the YAML file.
        sets: the values of `--set`, each `key=value[,value...]`.
        data_root: what a relative path of a folder data set is relative to.

    Raises:
        InputError: the first mistake, with file and line, key and remedy.
    """
    return Grid(read_grid(path, sets, data_root))
