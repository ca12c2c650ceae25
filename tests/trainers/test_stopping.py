"""Signals before and during training."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from trainers.errors import Preempted
from trainers.stopping import StopRequest

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    request = StopRequest()
    request.install()
    yield request
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_before_training_a_signal_ends_the_attempt_where_it_stands(stop: StopRequest, number: signal.Signals) -> None:
    with pytest.raises(Preempted):
        signal.raise_signal(number)
    assert stop.is_set


@pytest.mark.parametrize("number", SIGNALS)
def test_during_training_it_is_a_flag_however_often_it_comes(stop: StopRequest, number: signal.Signals) -> None:
    stop.defer()
    assert not stop.is_set
    for _ in range(3):
        signal.raise_signal(number)
    assert stop.is_set


def test_a_second_signal_does_not_disturb_the_end_that_the_first_one_began(stop: StopRequest) -> None:
    with pytest.raises(Preempted):
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)


def test_at_the_end_signals_change_nothing(stop: StopRequest) -> None:
    stop.ignore()
    for number in SIGNALS:
        signal.raise_signal(number)
    assert not stop.is_set
