"""One attempt of one training job: from where an earlier attempt stopped to the last output."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from trainers import checkpoint
from trainers.assembly import Parts, assemble, configure_torch
from trainers.errors import FolderAwayError, NonFiniteError, Preempted
from trainers.evaluation import Predictions, predict, score
from trainers.finish import Finished, device_name, write_results
from trainers.health import memory_told, peak_memory_bytes
from trainers.keeping import Folders, Keeper, unless_passing
from trainers.outputs import write_metrics_csv, write_rows
from trainers.patience import ONE_TRY, PATIENCE_SECONDS, Patience
from trainers.progress import Progress
from trainers.ranks import Ranks, join_ranks, leave_ranks
from trainers.spec import TrainSpec, parse_spec
from trainers.state import Best, TrainState
from trainers.stopping import StopRequest

log = logging.getLogger(__name__)

PROGRESS_VARIABLE: Final = "ORCH_PROGRESS"
_SELECTED_BY: Final = {"best_val": "val_acc", "best_test": "test_acc"}


def run_attempt(
    document: Mapping[str, Any], folders: Folders, stop: StopRequest, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Train, evaluate and write every output of a job.

    Args:
        document: the spec.
        folders: where files lie.
        stop: asks to stop.
        patience_seconds: how long a folder that fails for a passing reason is waited for, each time that nothing can
            be done without it.

    Raises:
        SpecError, DataError: the job cannot run as asked.
        NonFiniteError: training diverged.
        DeviceMemoryError: the device has too little memory.
        Preempted: asked to stop, and a checkpoint is there if a step was made and the folder took it; or a folder was
            waited for in vain, and there is a checkpoint to go on from later.
        FolderAwayError: a folder was waited for in vain, and there is no checkpoint.
    """
    spec = parse_spec(document)
    configure_torch(spec.train.threads)
    ranks = join_ranks(spec.train.ranks)
    patience = Patience(patience_seconds, lambda: stop.is_set)
    try:
        with memory_told(ranks.device, lambda: None):
            parts = assemble(spec, ranks, stop, patience)
        Attempt(spec, folders, parts, ranks).run(stop, patience)
    except FolderAwayError as error:
        if checkpoint.may_stand([folders.own, *folders.earlier]):
            raise Preempted(str(error)) from error
        raise
    finally:
        leave_ranks(ranks)


class Attempt:
    """Epochs, checkpoints and outputs of one attempt.

    Args:
        spec: what is asked.
        folders: where files lie.
        parts: the run, freshly initialised.
        ranks: with whom.
    """

    def __init__(self, spec: TrainSpec, folders: Folders, parts: Parts, ranks: Ranks) -> None:
        self.spec, self.folders, self.parts, self.ranks = spec, folders, parts, ranks
        self.loop, self.model = parts.loop, parts.loop.model
        self.state = TrainState.fresh(self.loop.steps, ranks.device)
        self.keeper = Keeper(spec, folders, parts, ranks)

    def run(self, stop: StopRequest, patience: Patience) -> None:
        """Resume, train the remaining epochs, and write the outputs.

        Raises:
            NonFiniteError, DeviceMemoryError, Preempted, FolderAwayError: as `run_attempt`.
        """
        self.state = self.keeper.resume(patience) or self.state
        name = device_name(self.ranks.device)
        if name not in self.state.devices_seen:
            self.state.devices_seen.append(name)
        stop.defer()
        progress = self._progress()
        patience = replace(patience, tell=progress.waits)
        try:
            with memory_told(self.ranks.device, lambda: (self.state.epoch + 1, self.state.step + 1)):
                predictions = self._train(stop, progress)
                self._finish(predictions, patience)
        except NonFiniteError as error:
            error.last_good = self.keeper.last_good
            raise

    def _train(self, stop: StopRequest, progress: Progress) -> Predictions | None:
        """The remaining epochs; the last one's predictions, if there was one."""
        predictions = None
        while self.state.epoch < self.spec.train.epochs:
            if not self.loop.run_epoch(self.state, stop, progress, self._save_within_epoch):
                self.keeper.save_and_leave(self.state)
            predictions = self._end_epoch()
            self._say(progress)
        return predictions

    def _save_within_epoch(self) -> None:
        self.keeper.save_if_possible(self.state, f"the checkpoint within epoch {self.state.epoch + 1}")

    def _end_epoch(self) -> Predictions | None:
        """Evaluate if it is time, add the epoch's row, and write a checkpoint."""
        began = time.monotonic()
        number = self.state.epoch + 1
        row: dict[str, Any] = {
            "stage": "single",
            "epoch": number,
            "model": self.spec.backbone["name"],
            "method": self.spec.method,
            "lr": self.loop.rate(self.state.epoch, self.loop.steps - 1),
            "seconds": None,
            **self.loop.train_metrics(self.state),
        }
        predictions = None
        is_last = number == self.spec.train.epochs
        if number % self.spec.eval_every == 0 or is_last:
            predictions = self._predict()
            if self.ranks.is_first:
                has_temperature = number % self.spec.ts_every == 0 or is_last
                row |= score(predictions, self.parts.splits, has_temperature=has_temperature)
        train_logits = self._train_logits()  # first: an attempt that is stopped here has learned nothing twice
        row |= self._watch(predictions)
        self._weigh(train_logits)
        row["seconds"] = self.state.epoch_seconds + time.monotonic() - began
        self._count_epoch(row)
        self.keeper.is_saved = not self.ranks.is_first
        # The last epoch always: what its evaluation costs is not spent twice.
        is_due = self.ranks.is_first and (self.keeper.clock.is_due() or is_last)
        if self.ranks.largest(int(is_due)):
            self.keeper.save_if_possible(self.state, f"the checkpoint after epoch {number}")
            if self.ranks.is_first:
                with unless_passing(f"metrics.csv after epoch {number}"):
                    write_metrics_csv(self.folders.own / "metrics.csv", self.state.history)
                    self._write_tables()
        return predictions

    def _watch(self, predictions: Predictions | None) -> Mapping[str, float]:
        """Show the validation split to a loss that changes with it; what it adds to the epoch's row."""
        loss, val = self.model.loss, self.parts.splits.val
        if not loss.watches_val or val is None:
            return {}
        logits = predictions.val if predictions is not None else self.parts.predictor.logits(val)
        if logits is None:
            self.keeper.save_and_leave(self.state)
        if not bool(logits.isfinite().all()):
            raise NonFiniteError("logits", self.state.epoch + 1, self.loop.steps)
        told = loss.watch(logits, val.targets.cpu(), self.state.epoch)
        self.state.watched.extend(dict(row) for row in told.table)
        return told.columns

    def _write_tables(self, patience: Patience = ONE_TRY) -> None:
        """What the loss and the rule have told."""
        for name, table in (
            (self.model.loss.table_name, self.state.watched),
            (self.model.rule.table_name, self.state.weighed),
        ):
            if table:
                write_rows(self.folders.own / name, table, patience)

    def _train_logits(self) -> Tensor | None:
        """Of the training split, as it is evaluated, for a rule that changes with it."""
        is_last = self.state.epoch + 1 == self.spec.train.epochs
        if not self.model.rule.watches_train or is_last:  # nothing is trained with what it would learn then
            return None
        logits = self.parts.predictor.logits(self.loop.feed.images)
        if logits is None:
            self.keeper.save_and_leave(self.state)
        if not bool(logits.isfinite().all()):
            raise NonFiniteError("logits", self.state.epoch + 1, self.loop.steps)
        return logits

    def _weigh(self, logits: Tensor | None) -> None:
        if logits is not None:
            told = self.model.rule.watch(logits, self.loop.feed.labels, self.model.loss, self.state.epoch)
            self.state.weighed.extend(dict(row) for row in told.table)

    def _predict(self) -> Predictions:
        predictions = predict(self.parts.predictor, self.parts.splits)
        if predictions is None:
            self.keeper.save_and_leave(self.state)
        if not predictions.is_finite:
            epoch = min(self.state.epoch + 1, self.spec.train.epochs)
            raise NonFiniteError("logits", epoch, self.loop.steps)
        return predictions

    def _count_epoch(self, row: dict[str, Any]) -> None:
        """Take the epoch into the history, and its weights if they are the best so far."""
        self.state.history.append(row)
        self.state.seconds += row["seconds"]
        self.state.train_seconds += self.state.epoch_seconds
        device = self.ranks.device
        self.state.gpu_seconds += row["seconds"] * self.ranks.size if device.type == "cuda" else 0.0
        peak = self.ranks.largest(peak_memory_bytes(device))
        self.state.peak_memory_bytes = max(self.state.peak_memory_bytes, peak)
        self.state.begin_next_epoch()
        score_now = row.get(_SELECTED_BY.get(self.spec.select, ""))
        if score_now is not None and (self.state.best is None or score_now > self.state.best.score):
            weights = {key: value.detach().cpu().clone() for key, value in self.model.network.state_dict().items()}
            self.state.best = Best(row["epoch"], score_now, weights)

    def _finish(self, predictions: Predictions | None, patience: Patience) -> None:
        """Report the selected epoch: its weights into the checkpoint, its logits into the outputs."""
        best = self.state.best
        reported = best.epoch if best else self.spec.train.epochs
        reported = self.ranks.largest(reported if self.ranks.is_first else 0)
        if best:
            self.model.network.load_state_dict(best.model)
        if predictions is None or reported != self.spec.train.epochs:
            self.ranks.share_first(self.model.network.state_dict().values())
            predictions = self._predict()
        if self.ranks.largest(int(self.spec.select != "last" or not self.keeper.is_saved)):
            self.keeper.save(self.state, patience, best.model if best else None)
        if self.ranks.is_first:
            row = self.state.history[reported - 1]
            if self.spec.has_val and row.get("temperature") is None:  # of what is reported, whatever `ts_every`
                row |= score(predictions, self.parts.splits)
            self._write_tables(patience)  # an attempt that found all epochs done has written none
            finished = Finished(self.spec, self.parts, self.state, predictions, reported)
            write_results(self.folders.own, finished, self.ranks, patience)
            checkpoint.forget_previous(self.folders.own, patience)

    def _progress(self) -> Progress:
        path = os.environ.get(PROGRESS_VARIABLE)
        done = self.state.epoch + self.state.step / self.loop.steps
        device = self.ranks.device
        return Progress(
            Path(path) if path and self.ranks.is_first else None,
            self.spec.train.epochs,
            done,
            lambda: peak_memory_bytes(device),
        )

    def _say(self, progress: Progress) -> None:
        """One line an epoch, for the log."""
        if not self.ranks.is_first:
            return
        row, epochs = self.state.history[-1], self.spec.train.epochs
        test = f", test accuracy {row['test_acc']:.4f}" if "test_acc" in row else ""
        left = progress.eta_seconds(self.state.epoch)
        print(  # noqa: T201 - the log is this process's standard output
            f"epoch {row['epoch']}/{epochs}: loss {row['train_loss']:.4f}, accuracy {row['train_acc']:.4f}{test}, "
            f"{row['seconds']:.1f} s, {progress.images_per_second():,.0f} images/s, {left or 0:.0f} s left",
            flush=True,
        )
