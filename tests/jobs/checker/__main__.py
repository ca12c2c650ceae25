"""`python -m tests.jobs.checker --config 2x1x3`: search a world as far as time allows, and say how far that was."""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.jobs.checker.keeping import load, save
from tests.jobs.checker.liveness import check_survivors
from tests.jobs.checker.search import Counts, Search, ViolationError
from tests.jobs.checker.shape import Shape
from tests.jobs.checker.walks import Walked, walk
from tests.jobs.checker.world import search_of, small_budgets

SAVE_SECONDS = 300.0
TELL_SECONDS = 20.0
# Workers x jobs x attempts; sessions that all workers may open besides their first; commands of each operator.
CONFIGS = {
    "2x1x3": Shape(2, 1, 3, spare_sessions=1),
    "3x1x2": Shape(3, 1, 2, spare_sessions=1),
    "2x2x2": Shape(2, 2, 2, spare_sessions=1),
    "3x1x2-two-operators": Shape(3, 1, 2, spare_sessions=0, sessions=1, commands=(1, 1)),
    "2x1x3-two-commands": Shape(2, 1, 3, spare_sessions=0, sessions=1, commands=(2,)),
    "2x1x2-slots": Shape(2, 1, 2, slots=2, spare_sessions=1),
    "2x1x3-late-puts": Shape(2, 1, 3, spare_sessions=0, sessions=1, has_late_puts=True),
    "3x2x3-walks": Shape(3, 2, 3, spare_sessions=3, commands=(2, 2)),
}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    arguments = _arguments()
    shape = CONFIGS[arguments.config]
    if arguments.sessions is not None:
        shape = replace(shape, spare_sessions=arguments.sessions, sessions=1 + arguments.sessions)
    shape = replace(shape, faults=None if arguments.unbounded else arguments.faults)
    say(f"{arguments.config}: {shape}")
    try:
        with small_budgets():
            if arguments.config.endswith("walks"):
                _walk(search_of(shape), arguments.minutes * 60, arguments.seed)
            else:
                _search(search_of(shape), arguments)
    except ViolationError as violation:
        say(str(violation))
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.jobs.checker", description=__doc__)
    parser.add_argument("--config", choices=CONFIGS, default="2x1x3")
    parser.add_argument("--faults", type=int, default=3, help="accidents a trace (3)")
    parser.add_argument("--unbounded", action="store_true", help="any number of accidents")
    parser.add_argument("--sessions", type=int, help="sessions that may be opened besides the first ones")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after that time (60)")
    parser.add_argument("--resume", type=Path, help="keep the search in this file, and go on with what it holds")
    parser.add_argument("--seed", type=int, default=0, help="of random walks (0)")
    return parser.parse_args()


def _search(search: Search, arguments: argparse.Namespace) -> None:
    if arguments.resume is not None and arguments.resume.exists():
        load(search, arguments.resume)
        say(f"goes on from {search.counts.states:,} states")
    until = time.monotonic() + arguments.minutes * 60
    teller = _Teller(search)
    while not search.counts.is_complete and (left := until - time.monotonic()) > 0:
        search.run(seconds=min(left, SAVE_SECONDS), tell=teller.tell)
        if arguments.resume is not None:
            save(search, arguments.resume)
    counts = search.counts
    asked = check_survivors(search)
    say(
        f"{arguments.config}: {'EXPLORED TO ITS END' if counts.is_complete else 'CUT'}: {counts.states:,} states, "
        f"{counts.turns:,} turns, {counts.depth} layers, {counts.seconds:.0f} s, {counts.beyond:,} turns beyond the "
        f"bounds; {asked:,} survivors asked; no promise broken"
    )


class _Teller:
    """A line now and then."""

    def __init__(self, search: Search) -> None:
        self.search, self.told = search, 0.0

    def tell(self, counts: Counts, frontier: int) -> None:
        if time.monotonic() - self.told > TELL_SECONDS:
            self.told = time.monotonic()
            rate = counts.turns / max(counts.seconds, 0.001)
            say(
                f"  {counts.seconds:7.0f} s  layer {counts.depth}: {counts.states:,} states, {frontier:,} new, "
                f"{rate:,.0f} turns/s, {len(self.search.pairs.place):,} pairs"
            )


def _walk(search: Search, seconds: float, seed: int) -> None:
    source, walked, until, told = random.Random(seed), Walked(), time.monotonic() + seconds, 0.0
    while time.monotonic() < until:
        walk(search, source, 400, walked)
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            say(f"  {walked.walks:,} walks, {walked.turns:,} turns, the longest {walked.longest}")
    say(f"seed {seed}: {walked.walks:,} walks, {walked.turns:,} turns, the longest {walked.longest}; no promise broken")


if __name__ == "__main__":
    sys.exit(main())
