"""Learning rates against those of the published protocols."""

from __future__ import annotations

from typing import Any

import pytest

from trainers.catalogue import PRESETS, TRAIN
from trainers.schedule import learning_rate
from trainers.spec import Training


def training(**values: Any) -> Training:
    return Training(**{**TRAIN, **values})


GOLDEN = {
    "ldam200": {1: 0.02, 5: 0.1, 160: 0.1, 161: 1e-3, 181: 1e-5},
    "mislas200": {1: 0.02, 160: 0.1, 161: 1e-2, 181: 1e-3},
    "bot200": {1: 0.046667, 2: 0.06, 5: 0.1, 159: 0.1, 160: 1e-3, 180: 1e-5},
    "lade200": {1: 0.093333, 5: 0.2, 119: 0.2, 120: 2e-3, 160: 2e-5},
    "fbl200": {1: 0.02, 161: 1e-3, 181: 1e-5},
    "bot_mixup400": {1: 0.046667, 5: 0.1, 319: 0.1, 320: 1e-3, 359: 1e-3, 360: 1e-5},
    "paco400": {1: 0.005, 10: 0.05, 11: 0.055, 12: 0.05, 321: 0.05, 322: 0.005, 361: 0.005, 362: 0.0005},
    "ride200": {1: 0.02, 5: 0.1, 160: 0.1, 161: 1e-3, 181: 1e-5},
    "sade200": {1: 0.02, 160: 0.1, 161: 1e-2, 181: 1e-3},
    "balpoe200": {1: 0.02, 160: 0.1, 161: 1e-2, 181: 1e-3},
    "balpoe400": {1: 0.01, 10: 0.1, 320: 0.1, 321: 1e-2, 361: 1e-3},
}


def test_every_preset_has_published_rates() -> None:
    assert set(GOLDEN) == set(PRESETS)


@pytest.mark.parametrize(
    ("preset", "epoch", "rate"),
    [(name, epoch, rate) for name, rates in GOLDEN.items() for epoch, rate in rates.items()],
)
def test_presets_have_the_published_rates(preset: str, epoch: int, rate: float) -> None:
    train = training(**PRESETS[preset])
    assert learning_rate(train, epoch - 1, 0, 97) == pytest.approx(rate, rel=2e-5)
    assert learning_rate(train, epoch - 1, 96, 97) == learning_rate(train, epoch - 1, 0, 97)


def test_cosine_starts_at_the_rate_and_is_half_of_it_half_way() -> None:
    train = training(epochs=10)
    assert learning_rate(train, 0, 0, 5) == pytest.approx(0.1)
    assert learning_rate(train, 5, 0, 5) == pytest.approx(0.05)
    assert 0 < learning_rate(train, 9, 4, 5) < 0.003


def test_cosine_begins_after_its_warm_up() -> None:
    train = training(epochs=12, warmup_epochs=2)
    assert [learning_rate(train, epoch, 0, 5) for epoch in (0, 1, 2, 7)] == pytest.approx([0.05, 0.1, 0.1, 0.05])


def test_a_warm_up_may_rise_beyond_the_rate_and_moves_nothing_after_it() -> None:
    plain, over = (training(epochs=12, warmup_epochs=2, warmup_start=0.5, warmup_over=extra) for extra in (0, 2))
    rates = [learning_rate(over, epoch, 0, 5) for epoch in range(12)]
    assert rates[:4] == pytest.approx([0.075, 0.1, 0.125, 0.15])
    assert rates[4:] == [learning_rate(plain, epoch, 0, 5) for epoch in range(4, 12)]


def test_one_cycle_moves_each_step_and_peaks_after_a_fifth() -> None:
    train = training(epochs=10, schedule="one_cycle")
    steps = [learning_rate(train, epoch, step, 5) for epoch in range(10) for step in range(5)]
    assert steps[0] == 0
    assert steps[5] == pytest.approx(0.05)
    assert steps[10] == pytest.approx(0.1)
    assert max(steps) == steps[10]
    assert steps[30] == pytest.approx(0.05)
    assert steps[-1] == pytest.approx(0.1 / 40)


def test_constant_is_constant_after_its_warm_up() -> None:
    train = training(epochs=4, schedule="constant", warmup_epochs=2, warmup_start=0.5)
    assert [learning_rate(train, epoch, 0, 5) for epoch in range(4)] == pytest.approx([0.075, 0.1, 0.1, 0.1])
