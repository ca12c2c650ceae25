"""Somebody who cancels and requeues jobs, done, running and waiting ones, while workers are under attack."""

from __future__ import annotations

from jobs import layout
from jobs.plan import PlanIndex, read_plan_index
from jobs.store import FolderStore, carry_out
from jobs.verbs import Answer, Cancel, Commanded, Requeue
from orchestrator.faults.plugins import Fault, Scene
from orchestrator.faults.workload import EXPERIMENT


class Operator(Fault):
    """Commands to jobs: those that were taken are counted."""

    name = "operator"

    def strike(self, scene: Scene) -> None:
        store, index = FolderStore(scene.root), PlanIndex()
        read_plan_index(store, EXPERIMENT, index)
        registers = (layout.parse_register(path.name) for path in (scene.root / EXPERIMENT).glob(f"{layout.DONE}/*/*"))
        done = {register.job for register in registers if register is not None}
        temp = layout.command_temp(self.chance.randbytes(8).hex())
        if self.chance.random() < 0.3:
            self._cancel(store, [job for job in index.order if job not in done][:20], temp)
        else:
            self._requeue(store, sorted(done), temp)

    def _cancel(self, store: FolderStore, jobs: list[str], temp: str) -> None:
        """One of the next in the plan, which are running or soon will be."""
        if jobs:
            self._note("cancelled", carry_out(Cancel(EXPERIMENT, self.chance.choice(jobs), temp), store))

    def _requeue(self, store: FolderStore, jobs: list[str], temp: str) -> None:
        if jobs:
            fresh = self.chance.choice([True, False, None])
            self._note("requeued", carry_out(Requeue(EXPERIMENT, self.chance.choice(jobs), temp, fresh=fresh), store))

    def _note(self, what: str, commanded: Commanded) -> None:
        if commanded.answer is Answer.TAKEN:
            self.counts[what] += 1
