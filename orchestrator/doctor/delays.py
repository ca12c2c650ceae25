"""How long a change that one process makes stays unseen by another, on one host or between two.

Ping and pong: this process makes a change, its peer says when it sees it, by a name in a folder that this one lists.
All times are on this process's clock; what the answer itself takes is measured first, and taken off.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from orchestrator.doctor import corner
from orchestrator.doctor.appends import FILE, Torn, append_lines, count_torn
from orchestrator.doctor.corner import Corner, Presence, fresh_names
from orchestrator.doctor.peer import FORCED_FILE, PLAIN_FILE
from orchestrator.doctor.talk import Ask, heard, make_name, wait_for

_ROUNDS: Final = 5
_SHORTEST_LIMIT_SECONDS: Final = 2.0
# Coarser clocks of file servers tick each 10 ms: two changes in one tick would look like one.
_TICK_SECONDS: Final = 0.02


class NoAnswerError(Exception):
    """The peer did not answer."""


@dataclass(frozen=True)
class Delays:
    """Seconds that changes stayed unseen; None: longer than `limit_seconds`.

    Attributes:
        names: a new name, by forced listings, a value a round.
        times: a changed time, by forced looks.
        plain_name: a new name, by exists() after it was asked for once.
        plain_time: a changed time, by stat().
        limit_seconds: how long the plain looks were waited for.
        torn: what became of lines that both appended; None: the peer did not say.
    """

    names: list[float | None]
    times: list[float | None]
    plain_name: float | None
    plain_time: float | None
    limit_seconds: float
    torn: Torn | None


@dataclass
class Asker:
    """Puts questions to the peer of one doctor, one's own or another host's."""

    mine: Corner
    partner: Presence
    seconds: float
    _number: int = 0
    _began: float = field(default_factory=time.monotonic)

    def measure(self) -> Delays:
        """All of it, within some `seconds`.

        Raises:
            NoAnswerError: the peer has gone, or cannot see this doctor's corner.
        """
        for name in (FORCED_FILE, PLAIN_FILE):
            make_name(self.mine.folder / corner.TIMES / name)
        self._ask("hello", self.seconds, "yes")
        names = self._rounds("name", self._make_new_name, 0.5)
        answer = statistics.median([one for one in names if one is not None] or [0.0])
        times = self._rounds("time", self._touch, 1.0, answer)
        torn = self._append()
        limit = max(_SHORTEST_LIMIT_SECONDS, self.seconds - (time.monotonic() - self._began))
        plain_name, plain_time = self._plain(limit, answer)
        self._send("bye", 0)
        return Delays(names, times, plain_name, plain_time, limit, torn)

    @property
    def _forced_limit(self) -> float:
        return max(_SHORTEST_LIMIT_SECONDS, self.seconds / 4)

    def _send(self, what: str, limit: float) -> Ask:
        self._number += 1
        ask = Ask(self._number, self.partner.token, what, limit)
        make_name(self.mine.folder / corner.TALK / ask.name)
        return ask

    def _ask(self, what: str, limit: float, answer: str = "ready") -> Ask:
        ask = self._send(what, limit)
        if self._hear(ask, answer, 2 * self._forced_limit) is None:
            raise NoAnswerError(what)
        return ask

    def _hear(self, ask: Ask, word: str, limit: float) -> float | None:
        talk = self.mine.folder / corner.TALK
        has_said = heard(talk, ask.number)
        return wait_for(lambda: has_said(word), limit, nudged=talk)

    def _rounds(
        self, what: str, change: Callable[[Ask], None], share: float, answer: float = 0.0
    ) -> list[float | None]:
        """Seconds from a change to its being seen, a value a round: `share` of what has passed, without the answer."""
        until = time.monotonic() + self._forced_limit
        found: list[float | None] = []
        while len(found) < _ROUNDS and time.monotonic() < until:
            ask = self._ask(what, self._forced_limit)
            time.sleep(_TICK_SECONDS)
            began = time.monotonic()
            change(ask)
            seen = self._hear(ask, "seen", self._forced_limit)
            found.append(None if seen is None else max(0.0, (seen - began) * share - answer))
        return found

    def _make_new_name(self, ask: Ask) -> None:
        make_name(self.mine.folder / corner.NAMES / str(ask.number))

    def _touch(self, _: Ask) -> None:
        os.utime(self.mine.folder / corner.TIMES / FORCED_FILE)

    def _append(self) -> Torn | None:
        ask = self._ask("append", self._forced_limit)
        path = self.mine.folder / FILE
        wrote = append_lines(path, "self")
        told: list[int] = []

        def has_told() -> bool:
            prefix = f"say.{ask.number}.wrote-"
            talk = fresh_names(self.mine.folder / corner.TALK)
            told.extend(int(name.removeprefix(prefix)) for name in talk if name.startswith(prefix))
            return bool(told)

        if wait_for(has_told, 2 * self._forced_limit, nudged=self.mine.folder / corner.TALK) is None:
            return None
        with path.open("rb") as file:
            os.fsync(file.fileno())
            return count_torn(file.read(), {"self": wrote, f"peer-{self.partner.token}": told[0]})

    def _plain(self, limit: float, answer: float) -> tuple[float | None, float | None]:
        ask = self._ask("plain", limit)
        time.sleep(_TICK_SECONDS)
        began = time.monotonic()
        make_name(self.mine.folder / corner.PLAIN / str(ask.number))
        os.utime(self.mine.folder / corner.TIMES / PLAIN_FILE)
        seen: dict[str, float] = {}
        talk = self.mine.folder / corner.TALK
        has_said = heard(talk, ask.number)

        def is_all_seen() -> bool:
            for word in {"name", "time"} - seen.keys():
                if has_said(word):
                    seen[word] = max(0.0, time.monotonic() - began - answer)
            return len(seen) == 2

        wait_for(is_all_seen, limit, nudged=talk)
        return seen.get("name"), seen.get("time")
