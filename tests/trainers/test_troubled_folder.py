"""Whole attempts on a disk that is full for a while, or for good."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainers.attempts import attempt, document, result, wait_until
from tests.trainers.data.trees import image_tree
from tests.trainers.small_disk import grow, small_disk
from tests.trainers.waits import at_first_wait, make_unreadable
from trainers.attempt import run_attempt
from trainers.checkpoint import NAME
from trainers.errors import EXIT_PREEMPTED, FolderAwayError, Preempted
from trainers.keeping import Folders
from trainers.patience import ONE_TRY
from trainers.stopping import StopRequest

pytestmark = pytest.mark.usefixtures("tiny")

SPEC = document({"epochs": 3})
ONE_CHECKPOINT = "size=1200k"  # room for one and the log, not for two


@dataclass
class Logged:
    """An attempt as a worker starts it: its log is a file, which lies in its folder, and its progress elsewhere."""

    folder: Path
    progress: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, progress: Path, *options: str, log_name: str = "log.txt") -> Logged:
        folder.mkdir()
        spec = progress.with_suffix(".spec")
        spec.write_text(json.dumps(SPEC))
        with (folder / log_name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "trainers.run", str(spec), str(folder), *options],
                env={**os.environ, "ORCH_PROGRESS": str(progress), "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )
        return cls(folder, progress, process)

    def waits_for(self) -> str:
        said: dict[str, Any] = json.loads(self.progress.read_text()) if self.progress.exists() else {}
        return said.get("waiting") or ""

    def wait_until_waiting(self) -> None:
        wait_until(lambda: bool(self.waits_for()) or self.process.poll() is not None, "a wait")
        assert self.process.poll() is None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A run that nothing troubled."""
    folder = tmp_path_factory.mktemp("whole")
    attempt(folder, SPEC)
    return folder


def test_what_a_full_disk_held_up_and_a_signal_stopped_ends_as_if_nothing_had_been(tmp_path: Path, whole: Path) -> None:
    with small_disk(tmp_path / "disk", ONE_CHECKPOINT) as disk:
        first = Logged.start(disk / "first", tmp_path / "first.progress", log_name="/dev/full")
        first.wait_until_waiting()
        assert "checkpoint.pt: [Errno 28] No space left on device" in first.waits_for()
        first.process.terminate()
        assert first.process.wait(60) == EXIT_PREEMPTED
        assert json.loads((first.folder / "failure.json").read_text())["kind"] == "preempted"
        assert torch.load(first.folder / NAME, weights_only=True)["state"]["epoch"] == 1

        second = Logged.start(disk / "second", tmp_path / "second.progress", "--resume", str(first.folder))
        second.wait_until_waiting()
        grow(disk)
        assert second.process.wait(240) == 0
        assert "resumed after epoch 1 and step 0" in (second.folder / "log.txt").read_text()
        assert result(second.folder)["weights_sha256"] == result(whole)["weights_sha256"]
        assert torch.load(second.folder / NAME, weights_only=True)["state"]["epoch"] == 3
        assert {path.name for path in second.folder.iterdir()} == {"log.txt", *(path.name for path in whole.iterdir())}


def test_when_the_wait_is_over_the_attempt_is_no_failure_where_a_checkpoint_stands(tmp_path: Path, whole: Path) -> None:
    own = Folders(tmp_path / "disk", [])
    with small_disk(tmp_path / "disk", "size=8m,nr_inodes=5") as disk:
        with pytest.raises(Preempted, match=r"waited 0 s in vain for .*No space left on device"):
            run_attempt(SPEC, own, StopRequest(), patience_seconds=0.1)
        attempt(tmp_path / "second", SPEC, [disk])
    assert result(tmp_path / "second")["weights_sha256"] == result(whole)["weights_sha256"]


def test_when_the_wait_is_over_and_nothing_stands_the_failure_names_the_folder(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        run = Logged.start(disk / "run", tmp_path / "progress", "--patience", "0.1")
        assert run.process.wait(240) == 1
        record = json.loads((run.folder / "failure.json").read_text())
        assert record["error"].startswith("waited 0 s in vain for checkpoint.pt: [Errno 28] No space left on device")
        assert (record["kind"], record["errno"]) == ("failed", errno.ENOSPC)
        assert record["filename"] == str(run.folder / NAME)
        assert f"error: {record['error']}\n" in (run.folder / "log.txt").read_text()


def test_a_data_set_that_cannot_be_read_now_is_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainers.data.folder._PATIENCE", ONE_TRY)
    monkeypatch.setenv("ORCH_DATA", str(tmp_path))
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    image = image_tree(tmp_path / "tiny") / "train" / "ant" / "00.png"
    spec = document({"epochs": 1, "batch_size": 4}, imbalance={"type": "none"})
    with at_first_wait(make_unreadable(image)) as lines:
        attempt(tmp_path / "run", spec)
    assert lines[0].startswith("waiting for the data set folder: [Errno 5] Input/output error")
    assert result(tmp_path / "run")["samples_seen"] == 9


def test_a_checkpoint_that_cannot_be_read_is_no_reason_to_begin_again(tmp_path: Path) -> None:
    stop = StopRequest()
    stop.is_set = True
    with pytest.raises(Preempted):
        attempt(tmp_path / "first", SPEC, stop=stop)
    mend = make_unreadable(tmp_path / "first" / NAME)
    (tmp_path / "second").mkdir()
    folders = Folders(tmp_path / "second", [tmp_path / "first"])
    with pytest.raises(Preempted, match="in vain for the checkpoint to resume from") as caught:
        run_attempt(SPEC, folders, StopRequest(), patience_seconds=0.1)
    assert isinstance(caught.value.__cause__, FolderAwayError)
    with at_first_wait(mend):
        run_attempt(SPEC, folders, StopRequest())
    assert result(tmp_path / "second")["samples_seen"] > 0
