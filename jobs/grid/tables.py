"""What a grid file says, before anything is expanded."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.grid.kind import JobKind
from jobs.grid.node import Node
from jobs.spec import Kind


@dataclass
class Document:
    """What a grid file says.

    Attributes:
        source: what error lines call the file.
        name: of the experiment.
        kind_name: train, command or call.
        kind: what checks keys and makes jobs.
        needs: ids that every job waits for, sorted.
        settings: keys with one value for all cells.
        axes: keys with several (list nodes), in the order of the file.
        rules: zip, exclude, include, when.
        is_set: whether --set changed something: a rule may then match nothing.
    """

    source: str
    name: str
    kind_name: Kind
    kind: JobKind
    needs: tuple[str, ...]
    settings: dict[str, Node] = field(default_factory=dict)
    axes: dict[str, Node] = field(default_factory=dict)
    rules: dict[str, Node] = field(default_factory=dict)
    is_set: bool = False
