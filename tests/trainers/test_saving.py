"""How often checkpoints are written between epochs."""

from __future__ import annotations

import time

from trainers.saving import SaveClock


def test_the_first_epoch_is_saved_and_a_slow_folder_is_asked_less_often() -> None:
    clock = SaveClock()
    assert clock.is_due()
    with clock.saving():
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
    assert not clock.is_due()  # for about a second: nineteen times as long as it took


def test_a_fast_folder_is_asked_again_at_once() -> None:
    clock = SaveClock()
    with clock.saving():
        pass
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass
    assert clock.is_due()
