"""A worker's view of one experiment: its plan in order, and what the newest listings show of each job."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs import layout
from jobs.claims import NOTHING, Names, Policy, group_names
from jobs.plan import PlanIndex, read_plan_index
from jobs.records import EndRecord
from jobs.store import FolderStore, List, Look, Stamp

# A listing is trusted for a folder's time m only if it was taken this long after m was first seen: two links within
# one tick of the server's clock share m.
SETTLE_SECONDS = 2.0


@dataclass(slots=True)
class _Shard:
    mtime_ns: int = -1
    first_seen: float = 0.0
    listed: float = -1.0
    is_settled: bool = False


@dataclass
class ExperimentView:
    """What is known of an experiment; refreshed by listings, merged with what this worker did itself.

    Args:
        store: the root.
        name: the experiment.
        clock: monotonic seconds.
    """

    store: FolderStore
    name: str
    clock: Callable[[], float] = time.monotonic
    plan: PlanIndex = field(default_factory=PlanIndex)
    names: dict[str, Names] = field(default_factory=dict)
    ends: dict[str, dict[int, EndRecord]] = field(default_factory=dict)
    done: dict[str, set[int]] = field(default_factory=dict)
    _shards: dict[str, _Shard] = field(default_factory=dict)

    def refresh(self) -> bool:
        """List what may have changed; whether anything did."""
        changed = self._refresh_plan()
        folders = self.store.answer(List(f"{self.name}/{layout.LOG}"))
        for shard in folders if isinstance(folders, tuple) else ():
            changed |= self._refresh_shard(shard)
        return changed

    def _refresh_plan(self) -> bool:
        if not read_plan_index(self.store, self.name, self.plan):
            return False
        for job in self.plan.order:
            self.names.setdefault(job, NOTHING)
        return True

    def _refresh_shard(self, shard: str) -> bool:
        folder = f"{self.name}/{layout.LOG}/{shard}"
        state = self._shards.setdefault(shard, _Shard())
        stamp = self.store.answer(Look(folder))
        if not isinstance(stamp, Stamp):
            return False
        if stamp.mtime_ns != state.mtime_ns:
            state.mtime_ns, state.first_seen, state.is_settled = stamp.mtime_ns, stamp.answered, False
        if state.is_settled:
            return False
        asked = self.clock()
        listing = self.store.answer(List(folder))
        if not isinstance(listing, tuple):
            return False
        state.is_settled = asked - state.first_seen >= SETTLE_SECONDS
        changed = False
        for job, seen in group_names(map(layout.parse_register, listing)).items():
            before = self.names.get(job, NOTHING)
            merged = before.merged(seen)
            if merged != before:
                self.names[job] = merged
                changed = True
        if changed:
            self._list_markers(shard)
        return changed

    def _list_markers(self, shard: str) -> None:
        listing = self.store.answer(List(f"{self.name}/{layout.DONE}/{shard}"))
        for register in map(layout.parse_register, listing if isinstance(listing, tuple) else ()):
            if register is not None and not register.suffix:
                self.done.setdefault(register.job, set()).add(register.attempt)

    def has_marker(self, job: str) -> bool:
        """Whether the job's top attempt is marked done, and not void."""
        if job not in self.done:
            return False
        names = self.names.get(job, NOTHING)
        top = max(self.done[job])
        return top >= names.top and top not in names.voids

    def note(self, job: str, seen: Names) -> None:
        """Remember what this worker put or read itself."""
        self.names[job] = self.names.get(job, NOTHING).merged(seen)

    def keep_end(self, job: str, attempt: int, record: EndRecord) -> None:
        """Ends are written once, so one that was read stays true."""
        self.ends.setdefault(job, {})[attempt] = record


def policy_of(line: str) -> tuple[Policy, int, int | None]:
    """Policy, priority and GPUs of a plan line, parsed only where a line has any."""
    if '"policy":' not in line:
        return Policy(), 0, None
    policy = json.loads(line.partition("\t")[2]).get("policy", {})
    return Policy(policy.get("max_attempts", Policy().max_attempts)), policy.get("priority", 0), policy.get("gpus")


def spread(order: list[str], window: int, source: random.Random) -> list[str]:
    """Plan order with a shuffle of one's own among the next few: workers that start together rarely meet."""
    places = [position + source.random() * window for position in range(len(order))]
    return [order[index] for index in sorted(range(len(order)), key=places.__getitem__)]
