"""How every job of an experiment stands, told by the names in `log/` and `done/` alone.

Names are counted in hundreds of thousands here: a job's standing is one number, and no name is parsed twice.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from jobs import layout
from jobs.looking import names_if_there, names_in_listed

# What the names of an attempt show, the most telling last: of two names of one attempt the larger counts.
CLAIMED: Final = 0
ENDED: Final = 1
MARKED: Final = 2  # ended, and marked as done
VOID: Final = 3  # its end no longer counts
KINDS: Final = 4  # a code is an attempt times this, plus one of these

MOST_STRANGERS: Final = 20
_WORDS: Final = {"": CLAIMED, ".end": ENDED, ".void": VOID}
_USUAL_ATTEMPTS: Final = 20
# What may follow the dot of a name, with its standing; rarer ones are parsed.
_CODES: Final = {
    f"{attempt:04d}{suffix}": attempt * KINDS + kind
    for attempt in range(1, _USUAL_ATTEMPTS)
    for suffix, kind in _WORDS.items()
}
_SHARDS: Final = frozenset(high + low for high in string.hexdigits[:16] for low in string.hexdigits[:16])


@dataclass(slots=True)
class Standings:
    """What the names tell.

    Attributes:
        codes: job -> its top attempt and how that stands, as `split` tells; 0: never tried. Planned jobs only.
        voids: job -> the largest attempt whose end no longer counts, where there is any.
        late: job -> an attempt that is marked as done although no end of it showed: a listing may be late.
        strangers: files that are none of ours, by their path under the root.
    """

    codes: dict[str, int]
    voids: dict[str, int] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def mark(self, job: str, attempt: int) -> None:
        """Let an attempt be ended and marked, unless the job's top is beyond it."""
        self.codes[job] = max(self.codes[job], attempt * KINDS + MARKED)


def split(code: int) -> tuple[int, int]:
    """The attempt of a code, and how it stands."""
    return divmod(code, KINDS)


def read_standings(root: str, experiment: str, jobs: Iterable[str]) -> Standings:
    """List every shard of an experiment.

    No listing is of one moment, so what is told rests on what one register proves of others: a claim or a void of the
    end below it, a marker of its own end. Markers are listed before the ends, so that a later listing has those.

    Raises:
        OSError: a shard cannot be listed: its jobs are in no state that anybody could name.
    """
    lister = _Lister(root, experiment, Standings(dict.fromkeys(jobs, 0)))
    marked = lister.shards(layout.DONE)
    for shard in lister.shards(layout.LOG):
        lister.take_in(shard, is_marked=shard in marked)
        marked.discard(shard)
    for shard in marked:
        lister.take_in(shard, is_tried=False)
    return lister.standings


@dataclass(frozen=True, slots=True)
class _Lister:
    root: str
    experiment: str
    standings: Standings

    def shards(self, part: str) -> set[str]:
        folder = f"{self.experiment}/{part}"
        names = set(names_if_there(f"{self.root}/{folder}"))
        for name in names - _SHARDS:
            self._note_stranger(f"{folder}/{name}")
        return names & _SHARDS

    def _note_stranger(self, path: str) -> None:
        if len(self.standings.strangers) < MOST_STRANGERS:
            self.standings.strangers.append(path)

    def _names(self, folder: str) -> list[str]:
        """Of a shard that its parent's listing showed."""
        try:
            return names_in_listed(f"{self.root}/{folder}")
        except NotADirectoryError:
            self._note_stranger(folder)
            return []

    def take_in(self, shard: str, *, is_marked: bool = True, is_tried: bool = True) -> None:
        """List a shard of `done/` and of `log/`, where there are such, and keep what they tell of planned jobs."""
        done, log = (f"{self.experiment}/{part}/{shard}" for part in (layout.DONE, layout.LOG))
        marks = self._names(done) if is_marked else []
        names = set(self._names(log)) if is_tried else set()
        # A job whose marker and end are there has nothing more to tell by its claim and its end: most jobs of a plan
        # that has got far, so they are taken out at once.
        sure = [mark for mark in marks if f"{mark}.end" in names]
        names.difference_update(sure, [f"{mark}.end" for mark in sure])
        self._keep(names, log)
        self._keep_marks(sure, done)
        if len(sure) < len(marks):
            self._note_late(set(marks).difference(sure), done)

    def _keep(self, names: Iterable[str], folder: str) -> None:
        codes, voids, known = self.standings.codes, self.standings.voids, _CODES.get
        for name in names:
            job, _, rest = name.partition(".")
            code, before = known(rest) or _parse(name), codes.get(job)
            if code is None or (before is None and not layout.is_job_id(job)):
                self._note_stranger(f"{folder}/{name}")
            elif before is not None:
                if code > before:
                    codes[job] = code
                if code % KINDS == VOID:
                    voids[job] = max(code // KINDS, voids.get(job, 0))

    def _keep_marks(self, names: Iterable[str], folder: str) -> None:
        codes = self.standings.codes
        for name in names:
            job, _, rest = name.partition(".")
            code = _CODES.get(rest) or _parse(name)
            if code is None or code % KINDS != CLAIMED:
                self._note_stranger(f"{folder}/{name}")
            elif codes.get(job, code + MARKED) < code + MARKED:
                codes[job] = code + MARKED

    def _note_late(self, names: Iterable[str], folder: str) -> None:
        codes, late = self.standings.codes, self.standings.late
        for name in names:
            job = name.partition(".")[0]
            code = _parse(name)
            if code is None or code % KINDS != CLAIMED:
                self._note_stranger(f"{folder}/{name}")
            elif job in codes and code + MARKED > codes[job]:
                late[job] = max(code // KINDS, late.get(job, 0))


def _parse(name: str) -> int | None:
    register = layout.parse_register(name)
    return None if register is None else register.attempt * KINDS + _WORDS[register.suffix]
