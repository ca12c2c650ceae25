"""Checkpoints: written whole or not at all, the one before kept, an earlier attempt's adopted by a hard link."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final
from zipfile import BadZipFile

import torch
from torch import Tensor

from trainers.atomic import written_whole

log = logging.getLogger(__name__)

NAME: Final = "checkpoint.pt"
PREVIOUS: Final = "checkpoint.previous.pt"
SCHEMA: Final = 1


def save(folder: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint beside the one before, which stays as `checkpoint.previous.pt`.

    At every moment at least one of the two names holds a whole checkpoint, once there has been one.
    """
    current, previous = folder / NAME, folder / PREVIOUS
    if current.exists():
        spare = previous.with_name(PREVIOUS + ".new")
        spare.unlink(missing_ok=True)
        _link_or_copy(current, spare)
        spare.replace(previous)
    with written_whole(current) as file:
        torch.save({"schema": SCHEMA, **content}, file)


def forget_previous(folder: Path) -> None:
    """Remove the second newest checkpoint, which a finished run no longer needs."""
    (folder / PREVIOUS).unlink(missing_ok=True)


def adopt(folder: Path, earlier: Sequence[Path], digest: str) -> dict[str, Any] | None:
    """The newest whole checkpoint of earlier attempts, linked into this attempt's folder before it is read.

    A broken one is passed over with a warning.

    Args:
        folder: this attempt's.
        earlier: folders of earlier attempts, newest first; may hold no checkpoint.
        digest: of the spec; a checkpoint of another one is passed over too.

    Returns:
        what `save` was given; None: begin at the beginning.
    """
    own = folder / NAME
    for source in (attempt / name for attempt in earlier for name in (NAME, PREVIOUS)):
        if not source.exists():
            continue
        if not own.exists() or not own.samefile(source):
            own.unlink(missing_ok=True)
            _link_or_copy(source, own)
        content = _read(own, source, digest)
        if content is not None:
            return content
        own.unlink()
    return None


def read_adopted(folder: Path) -> dict[str, Any]:
    """The checkpoint that `adopt` has verified, for a rank that did not read it itself."""
    content: dict[str, Any] = torch.load(folder / NAME, map_location="cpu", weights_only=True)
    return content


def weights_sha256(model: Mapping[str, Tensor]) -> str:
    """SHA-256, in hex, over the bytes of a state dict's tensors in the order of their sorted keys."""
    digest = hashlib.sha256()
    for key in sorted(model):
        digest.update(model[key].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path, source: Path, digest: str) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        is_ours = content["schema"] == SCHEMA and content["digest"] == digest
    except (OSError, RuntimeError, UnpicklingError, BadZipFile, EOFError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is not a whole checkpoint (%s); looking for an older one", source, error)
        return None
    if not is_ours:
        log.warning("%s belongs to another spec; looking for an older one", source)
        return None
    return content


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file; where the file system has no hard links, or the two differ, a copy."""
    try:
        os.link(source, target)
    except OSError:
        with source.open("rb") as reader, written_whole(target) as writer:
            shutil.copyfileobj(reader, writer)
