"""Checkpoints: written whole or not at all, the one before kept, an earlier attempt's adopted by a hard link."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final
from zipfile import BadZipFile

import torch
from torch import Tensor

from trainers.atomic import write_whole
from trainers.passing import is_passing
from trainers.patience import ONE_TRY, Patience

log = logging.getLogger(__name__)

NAME: Final = "checkpoint.pt"
PREVIOUS: Final = "checkpoint.previous.pt"
SCHEMA: Final = 1
_SPARE: Final = PREVIOUS + ".new"
# Looks at a folder that shows an older checkpoint and fails at the newest: after half a minute that one file is broken.
_LOOKS_AT_NEWEST: Final = 6


def save(folder: Path, content: Mapping[str, Any], patience: Patience = ONE_TRY) -> None:
    """Write a checkpoint beside the one before, which stays as `checkpoint.previous.pt`.

    At every moment at least one of the two names holds a whole checkpoint, once there has been one.

    Args:
        folder: of the attempt.
        content: plain values and tensors, with the spec's `digest`.
        patience: with a folder that cannot be written.

    Raises:
        OSError: it could not be written; both names are as they were, or both are the one before. Also what
            `Patience.retry` raises.
    """
    file = io.BytesIO()
    torch.save({"schema": SCHEMA, **content}, file)
    patience.retry(NAME, lambda: _replace(folder, file.getbuffer()))


def _replace(folder: Path, data: memoryview) -> None:
    current, spare = folder / NAME, folder / _SPARE
    if current.exists():
        spare.unlink(missing_ok=True)
        _link_or_copy(current, spare)
        spare.replace(folder / PREVIOUS)
        spare.unlink(missing_ok=True)  # it is there still where both were names of one file: renaming does nothing then
    write_whole(current, data)


def forget_previous(folder: Path, patience: Patience = ONE_TRY) -> None:
    """Remove the second newest checkpoint, which a finished run no longer needs."""
    for name in (PREVIOUS, _SPARE):
        patience.retry(name, partial((folder / name).unlink, missing_ok=True))


def may_stand(folders: Iterable[Path]) -> bool:
    """Whether one of the folders holds a checkpoint; one that cannot be looked at may hold one."""
    for path in (folder / name for folder in folders for name in (NAME, PREVIOUS)):
        try:
            path.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            if not is_passing(error):
                continue
        return True
    return False


def adopt(folder: Path, earlier: Sequence[Path], digest: str, patience: Patience = ONE_TRY) -> dict[str, Any] | None:
    """The newest whole checkpoint of earlier attempts, linked into this attempt's folder before it is read.

    A broken one is passed over with a warning. One that cannot be read for a passing reason is waited for, so that no
    epoch is trained again for that; only where an older one can be read, and it still cannot half a minute later, is
    the older one taken.

    Args:
        folder: this attempt's.
        earlier: folders of earlier attempts, newest first; may hold no checkpoint.
        digest: of the spec; a checkpoint of another one is passed over too.
        patience: with folders that cannot be read.

    Returns:
        what `save` was given; None: begin at the beginning.

    Raises:
        OSError: there is one, or there may be, and it could not be read. Also what `Patience.retry` raises.
    """
    search = _Search(folder / NAME, [attempt / name for attempt in earlier for name in (NAME, PREVIOUS)], digest)
    return patience.retry("the checkpoint to resume from", search.look)


class _Search:
    """Looks for the newest whole checkpoint, and remembers how often it had to settle for less.

    Args:
        own: the name that it gets.
        sources: newest first.
        digest: of the spec.
    """

    def __init__(self, own: Path, sources: Sequence[Path], digest: str) -> None:
        self.own, self.sources, self.digest = own, sources, digest
        self._looks_left = _LOOKS_AT_NEWEST

    def look(self) -> dict[str, Any] | None:
        """As `adopt`, at once.

        Raises:
            OSError: one could not be read for a passing reason, and should be waited for.
        """
        unread: OSError | None = None
        for source in self.sources:
            try:
                content = self._take(source)
            except FileNotFoundError:
                continue
            except OSError as error:
                if is_passing(error):
                    unread = unread or error
                else:
                    log.warning("%s cannot be read (%s); looking for an older checkpoint", source, error)
                continue
            if content is not None:
                self._settle(unread)
                return content
        if unread is not None:
            raise unread
        return None

    def _settle(self, unread: OSError | None) -> None:
        """An older one is at hand: wait for the newest nevertheless, or take it after some looks."""
        if unread is None:
            return
        self._looks_left -= 1
        if self._looks_left > 0:
            raise unread
        log.warning("%s; taking an older checkpoint", unread)

    def _take(self, source: Path) -> dict[str, Any] | None:
        """Link a checkpoint into this attempt's folder and read it; None, and no link: it is of no use."""
        if not source.exists():
            return None
        if not self.own.exists() or not self.own.samefile(source):
            self.own.unlink(missing_ok=True)
            _link_or_copy(source, self.own)
        content = _parse(self.own.read_bytes(), source, self.digest)
        if content is None:
            self.own.unlink()
        return content


def read_adopted(folder: Path, patience: Patience = ONE_TRY) -> dict[str, Any]:
    """The checkpoint that `adopt` has verified, for a rank that did not read it itself.

    Raises:
        OSError: as `adopt`.
    """
    return _load(patience.retry(NAME, (folder / NAME).read_bytes))


def weights_sha256(model: Mapping[str, Tensor]) -> str:
    """SHA-256, in hex, over the bytes of a state dict's tensors in the order of their sorted keys."""
    digest = hashlib.sha256()
    for key in sorted(model):
        digest.update(model[key].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _parse(data: bytes, source: Path, digest: str) -> dict[str, Any] | None:
    try:
        content = _load(data)
        is_ours = content["schema"] == SCHEMA and content["digest"] == digest
    except (RuntimeError, UnpicklingError, BadZipFile, EOFError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is not a whole checkpoint (%s); looking for an older one", source, error)
        return None
    if not is_ours:
        log.warning("%s belongs to another spec; looking for an older one", source)
        return None
    return content


def _load(data: bytes) -> dict[str, Any]:
    """From memory: read from a file, a disk's error would look like a broken archive."""
    content: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return content


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file; where the file system has no hard links, or the two differ, a copy."""
    try:
        os.link(source, target)
    except OSError as error:
        if is_passing(error):
            raise
        write_whole(target, source.read_bytes())
