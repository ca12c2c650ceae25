"""A worker's view of one experiment: its plan in order, and what the newest listings show of each job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from jobs import layout
from jobs.claims import NOTHING, Names, Policy, group_names
from jobs.plan import POLICY, PlanIndex, read_plan_index
from jobs.records import EndRecord
from jobs.store import FolderStore, List, Look, Stamp

# A listing is trusted for a folder's time m only if it was taken this long after m was first seen: two links within
# one tick of the server's clock share m.
SETTLE_SECONDS = 2.0


@dataclass(slots=True)
class _Shard:
    """What was seen of a shard: of its folder in `log/`, and of the names there and in `done/`."""

    mtime_ns: int = -1
    first_seen: float = 0.0
    is_settled: bool = False
    awaits_markers: bool = False
    logged: set[str] = field(default_factory=set)
    marked: set[str] = field(default_factory=set)


@dataclass
class ExperimentView:
    """What is known of an experiment; refreshed by listings, merged with what this worker did itself.

    Args:
        store: the root.
        name: the experiment.
        clock: monotonic seconds.

    Attributes:
        names: what is there of a job; jobs that nobody has touched are left out.
        ends: ends that were read.
        done: job -> the newest attempt with a marker.
        changed: jobs of which something else is known than before; whoever follows the view empties it.
    """

    store: FolderStore
    name: str
    clock: Callable[[], float] = time.monotonic
    plan: PlanIndex = field(default_factory=PlanIndex)
    names: dict[str, Names] = field(default_factory=dict)
    ends: dict[str, dict[int, EndRecord]] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    _shards: dict[str, _Shard] = field(default_factory=dict)
    _shared: dict[Names, Names] = field(default_factory=dict)
    _tops: dict[int, tuple[int, int]] = field(default_factory=dict)  # of what is shared, by identity
    _meaning: dict[tuple[str, ...], Names] = field(default_factory=dict)

    def refresh(self) -> bool:
        """List what may have changed; whether anything did. A plan that cannot be read is left alone altogether."""
        changed = read_plan_index(self.store, self.name, self.plan)
        if self.plan.problem:
            return changed
        folders = self.store.answer(List(f"{self.name}/{layout.LOG}"))
        for shard in folders if isinstance(folders, tuple) else ():
            changed |= self._refresh_shard(shard)
        return changed

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
        listing = self.store.answer(List(folder, is_fresh=True))
        if not isinstance(listing, tuple):
            return False
        state.is_settled = asked - state.first_seen >= SETTLE_SECONDS
        new = set(listing).difference(state.logged)
        state.logged |= new
        changed = self._take_in(new)
        has_ends = any(name.endswith(".end") for name in new)
        if has_ends or state.awaits_markers:
            changed |= self._list_markers(shard, state)
        state.awaits_markers = has_ends  # they come after the ends
        return changed

    def _take_in(self, new: Iterable[str]) -> bool:
        """Names that were not there before; whether they tell anything. No text is parsed twice."""
        found: dict[str, tuple[str, ...]] = {}
        for name in new:
            job, _, rest = name.partition(".")
            found[job] = (*found.get(job, ()), rest)
        return sum(self._note_names(job, rests) for job, rests in found.items()) > 0

    def _note_names(self, job: str, rests: tuple[str, ...]) -> bool:
        if job not in self.plan.lines and not layout.is_job_id(job):
            return False
        seen = self._meaning.get(rests)
        if seen is None:
            registers = (layout.parse_register(f"job.{rest}") for rest in rests)
            seen = self._meaning[rests] = group_names(registers).get("job", NOTHING)
        return self.note(job, seen)

    def _list_markers(self, shard: str, state: _Shard) -> bool:
        """After `log/`: a marker is there only once its end is."""
        listing = self.store.answer(List(f"{self.name}/{layout.DONE}/{shard}"))
        new = set(listing if isinstance(listing, tuple) else ()).difference(state.marked)
        state.marked |= new
        registers = [register for register in map(layout.parse_register, new) if register and not register.suffix]
        return sum(self.add_marker(register.job, register.attempt) for register in registers) > 0

    def has_marker(self, job: str) -> bool:
        """Whether the job's top attempt is marked done, and not void."""
        marked = self.done.get(job)
        if marked is None:
            return False
        names = self.names.get(job, NOTHING)
        return marked >= self._tops.get(id(names), (0, 0))[0] and marked not in names.voids

    def open_attempt(self, job: str) -> int:
        """The job's top claim, where no end of it is known; 0: none."""
        return self._tops.get(id(self.names.get(job)), (0, 0))[1]

    def add_marker(self, job: str, attempt: int) -> bool:
        """Attempt `attempt` is marked done; whether that is news."""
        if attempt <= self.done.get(job, 0):
            return False
        self.done[job] = attempt
        self.changed.add(job)
        return True

    def note(self, job: str, seen: Names) -> bool:
        """Remember what was listed, or what this worker put or read itself; whether that is news."""
        before = self.names.get(job, NOTHING)
        merged = seen if before is NOTHING else before.merged(seen)
        if merged == before:
            return False
        self.names[job] = self._share(merged)
        self.changed.add(job)
        return True

    def _share(self, names: Names) -> Names:
        """Most jobs have the same few, so these are kept, and looked through, once."""
        shared = self._shared.setdefault(names, names)
        if shared is names:
            top = names.top_claim
            self._tops[id(names)] = names.top, 0 if top in names.ends else top
        return shared

    def keep_end(self, job: str, attempt: int, record: EndRecord) -> None:
        """Ends are written once, so one that was read stays true."""
        self.ends.setdefault(job, {})[attempt] = record
        self.changed.add(job)

    def forget_ends(self, job: str) -> None:
        """They are not wanted any more, and could be read again."""
        self.ends.pop(job, None)


def policy_of(line: str) -> tuple[Policy, int, int | None]:
    """Policy, priority and GPUs of a plan line, parsed only where a line has any."""
    if POLICY not in line:
        return Policy(), 0, None
    policy = json.loads(line.partition("\t")[2]).get("policy", {})
    return Policy(policy.get("max_attempts", Policy().max_attempts)), policy.get("priority", 0), policy.get("gpus")
