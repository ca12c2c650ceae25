"""What a run keeps for the attempt after it: checkpoints, written by rank 0 and read by all ranks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from torch import Tensor

from trainers import checkpoint
from trainers.assembly import Parts
from trainers.errors import FolderAwayError, Preempted
from trainers.passing import is_passing
from trainers.patience import ONE_TRY, Patience
from trainers.ranks import Ranks
from trainers.saving import SaveClock
from trainers.spec import TrainSpec
from trainers.state import TrainState

log = logging.getLogger(__name__)

_NO_CHECKPOINT, _CHECKPOINT, _UNREADABLE = range(3)
# Asked to stop: whoever asks kills half a minute later.
_LEAVING: Final = Patience(seconds=20.0)


@dataclass(frozen=True)
class Folders:
    """Where an attempt reads and writes.

    Attributes:
        own: this attempt's.
        earlier: of earlier attempts, newest first.
    """

    own: Path
    earlier: Sequence[Path]


@contextmanager
def unless_passing(what: str) -> Iterator[None]:
    """Training does not stop for what cannot be written now and is written again later."""
    try:
        yield
    except OSError as error:
        if not is_passing(error):
            raise
        log.warning("%s could not be written, going on without: %s", what, error)


def _on_cpu(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value.cpu() if isinstance(value, Tensor) else value for key, value in state.items()}


class Keeper:
    """Writes and reads the checkpoints of one attempt.

    Args:
        spec: what is trained.
        folders: where files lie.
        parts: the run, whose network, optimizer, scaler, loss and rule are saved and restored.
        ranks: with whom.

    Attributes:
        is_saved: whether the newest state that is worth it is on disk; rank 0 knows.
        last_good: the newest checkpoint, for a person; empty: there is none.
        clock: how often to save.
    """

    def __init__(self, spec: TrainSpec, folders: Folders, parts: Parts, ranks: Ranks) -> None:
        self._spec, self._folders, self._parts, self._ranks = spec, folders, parts, ranks
        self._model = parts.loop.model
        self.is_saved, self.last_good, self.clock = True, "", SaveClock()

    def resume(self, patience: Patience) -> TrainState | None:
        """The newest whole checkpoint's state, all else restored; rank 0 chooses, the others read what it chose.

        Returns:
            None: begin at the beginning.

        Raises:
            Preempted: a folder could not be read for as long as there was patience.
        """
        content, found, away = None, _NO_CHECKPOINT, None
        if self._ranks.is_first:
            try:
                content = checkpoint.adopt(self._folders.own, self._folders.earlier, self._spec.digest, patience)
                found = _NO_CHECKPOINT if content is None else _CHECKPOINT
            except FolderAwayError as error:
                found, away = _UNREADABLE, error
        found = self._ranks.largest(found)
        if found == _UNREADABLE:  # all ranks leave: what was trained is not to be trained again
            raise Preempted(str(away or "the first rank cannot read the checkpoint to resume from")) from away
        if found == _NO_CHECKPOINT:
            return None
        return self._restore(content or checkpoint.read_adopted(self._folders.own, patience))

    def _restore(self, content: Mapping[str, Any]) -> TrainState:
        self._model.network.load_state_dict(content["model"])
        # How the optimizer computes is this device's affair; what it has gathered is the run's.
        groups = self._model.optimizer.state_dict()["param_groups"]
        self._model.optimizer.load_state_dict({**content["optimizer"], "param_groups": groups})
        if content["scaler"]:  # empty where fp16 was not in use
            self._model.scaler.load_state_dict(content["scaler"])
        self._model.loss.load_state_dict(content["losses"][self._ranks.rank])
        self._model.rule.load_state_dict(content.get("rule", {}))  # runs of before had none
        state = TrainState.restore(content["state"], self._ranks.device)
        if not self._ranks.is_first:  # rank 0 holds the sums of all ranks
            state.losses.zero_()
            state.correct.zero_()
        self.last_good = self._named(state)
        log.info("resumed after epoch %d and step %d", state.epoch, state.step)
        return state

    def save(self, state: TrainState, patience: Patience, weights: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint; all ranks call it, the first one writes.

        Args:
            state: where the run stands.
            patience: with a folder that cannot be written.
            weights: what it holds under `model`; None: the weights that training has reached.
        """
        self._ranks.share_first(self._model.network.buffers())
        losses, correct = self._ranks.sum(state.losses), self._ranks.sum(state.correct)
        # Each rank's own: what a loss has gathered, it has gathered from that rank's samples.
        gathered = self._ranks.gather_objects(_on_cpu(self._model.loss.state_dict()))
        if not self._ranks.is_first:
            return
        content = {
            "digest": self._spec.digest,
            "model": weights or self._model.network.state_dict(),
            "optimizer": self._model.optimizer.state_dict(),
            "scaler": self._model.scaler.state_dict(),
            "losses": gathered,
            "rule": _on_cpu(self._model.rule.state_dict()),
            "attempt": self._folders.own.name,
            "state": state.record() | {"losses": losses.cpu(), "correct": correct.cpu()},
            "network": self._parts.description,
        }
        self.is_saved = False
        with self.clock.saving():
            checkpoint.save(self._folders.own, content, patience)
        self.is_saved, self.last_good = True, self._named(state)

    def _named(self, state: TrainState) -> str:
        """The checkpoint of where the run stands, for a person."""
        step = f", step {state.step}" if state.step else ""
        return f"{self._folders.own / checkpoint.NAME}, after epoch {state.epoch}{step}"

    def save_if_possible(self, state: TrainState, what: str) -> None:
        """Write a checkpoint, or go on without where the folder does not take it now."""
        with unless_passing(what):
            self.save(state, ONE_TRY)

    def save_and_leave(self, state: TrainState) -> NoReturn:
        """Write a last checkpoint, if there is something to save, and end the attempt.

        Raises:
            Preempted: always.
        """
        if state.epoch or state.step:
            with unless_passing("the last checkpoint"):
                self.save(state, _LEAVING)
        raise Preempted
