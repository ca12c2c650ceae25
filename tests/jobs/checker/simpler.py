"""Memories that can do no more than a simpler one could: in place of both, the search goes on with the simpler.

A register that is there stays as it is. So what only waits to lose, or to be told what stands already, waits for
nothing: an attempt whose end another has put will be superseded; an end that stands need not be sent again; a claim
that is another's is lost, and need not be remembered; a cancel that comes too late begins anew. Nor need a claim be
remembered that has put nothing yet, as one that began now could still go by the same old listing; nor that a marker is
to be added, which anybody adds. In each case the worker could turn to the simpler memory, or to what the simpler one
turns to, by turns of its own, and the simpler one can do all that it could.

That is not taken on trust. For each memory that is called simpler, and all registers by which it is, the real code is
run from both: every turn of the one must be a turn of the other, to the same folder, at no higher cost, with no promise
broken. If not, the search stops. `test_checker.py` proves more in small worlds: that it stays so wherever the simpler
memory comes to later, and of memories that only follow from the one that was left out.

What the simpler one can do besides, the other could do with an accident more: stop in the middle, and begin again. So a
search by a number of accidents may come to more than a whole one with as many; with any number it may not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from jobs import layout
from jobs.queue import AddMarker, Claim, Publish
from jobs.verbs import Cancel, Requeue
from tests.jobs.checker.driving import At
from tests.jobs.checker.files import Files
from tests.jobs.checker.minds import GONE, Mind, Operator
from tests.jobs.checker.moves import Moves
from tests.jobs.checker.shape import EXPERIMENT, job_number

_NOBODY: Final = ("", -1)
State = tuple[Any, bytes]


class NotSimplerError(Exception):
    """A memory can do what the one that was called simpler cannot: the code is not what this module takes it for."""


@dataclass
class Simpler:
    """Finds simpler memories.

    Args:
        files: the folder's names.
        moves: of users of a folder, by the type of their memories.
        is_on: whether memories are simplified at all.
        is_thorough: whether all that follows from a memory is proven too, whether the search comes to it or not.
    """

    files: Files
    moves: dict[type, Moves]
    is_on: bool = True
    is_thorough: bool = False
    known: dict[State, Any] = field(default_factory=dict)

    def of(self, mind: Any, folder: bytes) -> Any:
        """The simplest memory that can do all that this one can in such a folder.

        Raises:
            NotSimplerError: it cannot.
        """
        if not self.is_on or not isinstance(mind, Mind | Operator):
            return mind
        key = (mind, folder[: self.files.registers])
        if key not in self.known:
            self.known[key] = simpler = self.proposed(mind, folder)  # while it is proven: it holds so far
            if simpler != mind:
                self._prove(simpler, mind, folder)
        return self.known[key]

    def settled(self, mind: Any, folder: bytes) -> State:
        """The simplest memory, and the folder without what it needs no more."""
        return self._settled(mind, folder, self.of)

    def _settled(self, mind: Any, folder: bytes, simpler_of: Callable[[Any, bytes], Any]) -> State:
        while (simpler := simpler_of(mind, folder)) != mind:
            mind, folder = simpler, self.moves[type(simpler)].tidied(simpler, folder)
        return mind, folder

    def _prove(self, simpler: Any, mind: Any, folder: bytes) -> None:
        simpler_of = self.of if self.is_thorough else self.proposed
        moves = self.moves[type(mind)]
        tidied = moves.tidied(simpler, folder)
        offered = {self._settled(simpler, tidied, simpler_of): 0}
        for after in moves.next(simpler, tidied):
            state = self._settled(after.mind, after.folder, simpler_of)
            offered[state] = min(after.cost, offered.get(state, after.cost))
        for after in moves.next(mind, folder):
            cost = offered.get(self._settled(after.mind, after.folder, simpler_of))
            if cost is None or cost > after.cost or after.broken:
                raise NotSimplerError(f"{mind} has this turn, and {simpler} has none like it:{after.text}")

    # --- what may be simpler ----------------------------------------------------------------------------------------

    def proposed(self, mind: Any, folder: bytes) -> Any:
        """What is called simpler, unproven."""
        if isinstance(mind, Mind):
            return self._mind(mind, folder)
        return self._operator(mind, folder) if isinstance(mind, Operator) else mind

    def _mind(self, mind: Mind, folder: bytes) -> Mind:
        """Without attempts whose end stands, and claims that are lost; a claim that is over is put by nobody again."""
        if mind.state == GONE:
            return mind
        if mind.at is not None and _can_begin_anew(mind.at.operation):
            mind = mind._replace(at=None, about=(), asking=None)
        owners = self.files.owners
        ended = {key for _, end, key in self.files.claims if folder[end]}
        owned = {key: owners[folder[claim]] for claim, _, key in self.files.claims if folder[claim]}
        simpler = mind._replace(
            running=mind.running - ended,
            unsent=frozenset(unsent for unsent in mind.unsent if unsent[:2] not in ended),
            unknown=tuple(
                at for at in mind.unknown if owned.get(_claim_of(at), _NOBODY)[0] in {"", at.operation.me.sid}
            ),
        )
        is_over = {key for key, (_, worker) in owned.items() if worker != mind.who}
        is_over |= (ended & owned.keys()) - simpler.open_claims
        return simpler._replace(tried=simpler.tried - is_over, ran=simpler.ran - is_over)

    def _operator(self, operator: Operator, folder: bytes) -> Operator:
        """A cancel whose end another has put has done nothing yet; a command whose register stands has done all."""
        if operator.at is None:
            return operator
        command = operator.at.operation
        match command:
            case Cancel(phase="cancel listed"):
                return operator._replace(given=operator.given - 1, at=None, made=())
            case Cancel(phase="cancel put"):
                end = folder[self.files.place[layout.end(EXPERIMENT, command.job, command.attempt)]]
                is_own = self.files.files[end].startswith(command.temp)
                if end:
                    return operator._replace(given=operator.given - (not is_own), at=None, made=())
            case Requeue(phase="requeue put"):
                if folder[self.files.place[layout.void(EXPERIMENT, command.job, command.attempt)]]:
                    return operator._replace(at=None, made=())
        return operator


def _claim_of(at: At) -> tuple[int, int]:
    return job_number(at.operation.job.id), at.operation.attempt


def _can_begin_anew(operation: Any) -> bool:
    """A claim that has read all and put nothing; and all that remains of a done end is a marker that anybody adds."""
    if isinstance(operation, Claim):
        return operation.phase == "put_claim" and not operation.is_late
    if isinstance(operation, Publish):
        return operation.phase == "marked"
    return isinstance(operation, AddMarker) and operation.phase == "finish"
