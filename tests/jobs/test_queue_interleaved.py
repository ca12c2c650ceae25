"""Many workers, any order, any accident: the queue's promises, turn by turn (see `interleaving`)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.claims import History
from jobs.queue import Claim, Publish, Published, Step
from jobs.records import End
from jobs.store import Finished, Read, Reply, Won
from tests.jobs.interleaving import World
from tests.jobs.mistakes import (
    EvictsUnread,
    ForgetsItsSlots,
    ForgetsTheSecondListing,
    ForgetsVoids,
    TakesUnknownForMine,
    TrustsAbsence,
)
from tests.jobs.promises import BrokenPromiseError


class Choices:
    """Small numbers out of a string of bytes; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self.data, self.used = data, 0

    @property
    def is_over(self) -> bool:
        return self.used >= len(self.data)

    def draw(self, below: int) -> int:
        self.used += 1
        return 0 if self.used > len(self.data) else self.data[self.used - 1] % below


def play(data: bytes, **shape: Any) -> World:
    """Let a world run until the choices are used up, then let a lone worker finish it."""
    choices = Choices(data)
    world = World(choices.draw, **shape)
    while not choices.is_over:
        world.turn()
    world.finish()
    return world


SHAPES = st.fixed_dictionaries({"jobs": st.integers(1, 2), "workers": st.integers(2, 3), "has_faults": st.booleans()})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.binary(min_size=50, max_size=600), SHAPES)
def test_every_promise_holds_in_any_order(data: bytes, shape: dict[str, Any]) -> None:
    play(data, **shape)


@pytest.mark.parametrize("seed", range(8))
def test_every_promise_holds_over_long_histories(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(25):
        play(source.randbytes(900), jobs=source.randint(1, 2), workers=source.randint(2, 3))


def test_the_worlds_come_to_all_that_the_promises_speak_of() -> None:
    """Promises over worlds in which nothing happens would hold too."""
    source = random.Random(0)
    worlds = [play(source.randbytes(900)) for _ in range(100)]
    kinds = [kind for world in worlds for job in world.ids for kind in world.folder.ends(job).values()]
    assert set(kinds) == set(End) - {End.CLOSED}
    done = [list(world.folder.ends(job).values()).count(End.DONE) for world in worlds for job in world.ids]
    assert max(done) >= 3
    assert sum(bool(world.ran) for world in worlds) > 90, "in some, everything is cancelled at once"
    assert any(world.folder.newest_fresh_void(job) > 1 for world in worlds for job in world.ids)


# --- workers with one mistake each: the promises must notice -------------------------------------------------------


class SkipsTheFence(Claim):
    """It claims N+1 without the end of N."""

    @property
    def history(self) -> History:
        ends = dict.fromkeys(range(1, self.names.top_claim + 1), End.EVICTED)
        return History(self.names.top_claim, ends | {n: r.kind for n, r in self.known.items()}, self.names.voids)

    def step(self, reply: Reply) -> Step:
        if self.phase == "start" and self.names.top_claim:
            return super().to("read_end", Read(self.end(self.names.top_claim)), attempt=self.names.top_claim)
        return super().step(reply)


class TakesTheirsForMine(Publish):
    """It goes on publishing where another end stands."""

    def step(self, reply: Reply) -> Step:
        return super().step(Won.MINE if self.phase == "put" and reply is Won.THEIRS else reply)


class ForgetsToMark(Publish):
    """It accepts a result, and no listing will ever show it."""

    def step(self, reply: Reply) -> Step:
        return super().step(reply) if self.phase != "pointed" else Finished(Published.ACCEPTED)


MISTAKES = [
    *(EvictsUnread, TrustsAbsence, SkipsTheFence, ForgetsTheSecondListing),
    *(TakesUnknownForMine, ForgetsItsSlots, ForgetsVoids, TakesTheirsForMine, ForgetsToMark),
]


@pytest.mark.parametrize("mistaken", MISTAKES, ids=lambda kind: kind.__name__)
def test_a_worker_with_one_mistake_breaks_a_promise(mistaken: type[Claim] | type[Publish]) -> None:
    source = random.Random(1)
    part = "claim_type" if issubclass(mistaken, Claim) else "publish_type"
    with pytest.raises(BrokenPromiseError):
        play_often(400, source, **{part: mistaken})


def play_often(times: int, source: random.Random, **shape: Any) -> None:
    for _ in range(times):
        play(source.randbytes(600), **shape)
