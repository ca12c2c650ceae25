"""The second process of a measurement: `python -m orchestrator.doctor.peer ROOT TOKEN` answers what doctors ask.

It serves the doctor that started it and, where they ask, doctors of other hosts; it leaves when its standard input
closes and nobody of another host is in the middle of a measurement.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from jobs.statx import force_sync
from orchestrator.doctor import corner
from orchestrator.doctor.appends import FILE, append_lines
from orchestrator.doctor.corner import HERE, fresh_names, meeting_folder
from orchestrator.doctor.talk import PAUSE_SECONDS, Ask, parse_ask, say, wait_for

_SCAN_SECONDS: Final = 0.01
FORCED_FILE, PLAIN_FILE = "forced", "plain"


def main() -> None:
    root, token = Path(sys.argv[1]), sys.argv[2]
    leaving = threading.Event()
    threading.Thread(target=_wait_for_end_of_input, args=(leaving,), daemon=True).start()
    with contextlib.suppress(OSError):  # a root that cannot be asked: the doctor's own probes say why
        Peer(root, token, leaving).serve()


def _wait_for_end_of_input(leaving: threading.Event) -> None:
    while os.read(0, 1):
        pass
    leaving.set()


class Peer:
    """Answers questions put to one doctor.

    Args:
        root: the shared folder.
        token: of the doctor.
        leaving: set when its doctor is done.
    """

    def __init__(self, root: Path, token: str, leaving: threading.Event) -> None:
        self.meeting, self.token, self.leaving = meeting_folder(root), token, leaving
        self._answered: set[tuple[str, int]] = set()
        self._engaged: dict[str, float] = {}

    def serve(self) -> None:
        """Answer until the doctor is done and no other is in the middle of a measurement."""
        while not self.leaving.is_set() or self._engaged:
            names = fresh_names(self.meeting)
            tokens = {name.removesuffix(HERE) for name in names if name.endswith(HERE)}
            for token in tokens | {self.token}:
                self._scan(token)
            now = time.monotonic()
            self._engaged = {one: until for one, until in self._engaged.items() if one in tokens and now < until}
            time.sleep(_SCAN_SECONDS)

    def _scan(self, token: str) -> None:
        for name in fresh_names(self.meeting / token / corner.TALK):
            ask = parse_ask(name)
            if ask is None or ask.to != self.token or (token, ask.number) in self._answered:
                continue
            self._answered.add((token, ask.number))
            if ask.what == "bye":
                self._engaged.pop(token, None)
            elif ask.what == "hello" and token != self.token:
                self._engaged[token] = time.monotonic() + 2 * ask.limit_seconds
            threading.Thread(target=_answer, args=(self.meeting / token, ask, self.token), daemon=True).start()


def _answer(asker: Path, ask: Ask, me: str) -> None:
    with contextlib.suppress(OSError):  # the asker is gone, or hears nothing and says so
        _ANSWERS[ask.what](asker, ask, me)


def _answer_hello(asker: Path, ask: Ask, _: str) -> None:
    say(asker / corner.TALK, ask.number, "yes")


def _answer_name(asker: Path, ask: Ask, _: str) -> None:
    folder = asker / corner.NAMES
    fresh_names(folder)
    say(asker / corner.TALK, ask.number, "ready")
    if wait_for(lambda: str(ask.number) in fresh_names(folder), ask.limit_seconds) is not None:
        say(asker / corner.TALK, ask.number, "seen")


def _answer_time(asker: Path, ask: Ask, _: str) -> None:
    path = str(asker / corner.TIMES / FORCED_FILE)
    before = force_sync(path).mtime_ns
    say(asker / corner.TALK, ask.number, "ready")
    if wait_for(lambda: force_sync(path).mtime_ns != before, ask.limit_seconds) is not None:
        say(asker / corner.TALK, ask.number, "seen")


def _answer_plain(asker: Path, ask: Ask, _: str) -> None:
    """Ask once for a name that is not there and a time that is old, then until the changes show of themselves."""
    name, file = asker / corner.PLAIN / str(ask.number), asker / corner.TIMES / PLAIN_FILE
    before = file.stat().st_mtime_ns
    changed: dict[str, Callable[[], bool]] = {
        "name": lambda: name.exists(),
        "time": lambda: file.stat().st_mtime_ns != before,
    }
    name.exists()
    say(asker / corner.TALK, ask.number, "ready")
    until = time.monotonic() + ask.limit_seconds
    while changed and time.monotonic() < until:
        for word in [word for word, is_so in changed.items() if is_so()]:
            say(asker / corner.TALK, ask.number, word)
            del changed[word]
        time.sleep(PAUSE_SECONDS)


def _answer_append(asker: Path, ask: Ask, me: str) -> None:
    say(asker / corner.TALK, ask.number, "ready")
    count = append_lines(asker / FILE, f"peer-{me}")
    say(asker / corner.TALK, ask.number, f"wrote-{count}")


_ANSWERS: Final[Mapping[str, Callable[[Path, Ask, str], None]]] = {
    "hello": _answer_hello,
    "bye": _answer_hello,
    "name": _answer_name,
    "time": _answer_time,
    "plain": _answer_plain,
    "append": _answer_append,
}


if __name__ == "__main__":
    main()
