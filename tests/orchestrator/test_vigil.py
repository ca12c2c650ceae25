"""A loop that hangs is told of, once, and so is its going on."""

from __future__ import annotations

from orchestrator.vigil import Vigil
from tests.jobs.clock import Clock
from tests.orchestrator.waiting import wait_until


def test_a_hanging_loop_is_told_of_and_so_is_its_going_on(clock: Clock) -> None:
    said: list[str] = []
    vigil = Vigil(said.append, patience_seconds=0.05, clock=clock)
    vigil.start()
    try:
        clock.now += 40
        wait_until(lambda: said, "the vigil speaks")
        vigil.turn()
        clock.now += 0.01
        vigil.turn()
    finally:
        vigil.stop()
    assert said == [
        "waiting for the folder: it has not answered for 40 s; is its server away?",
        "the folder answers again after 40 s",
    ]
