"""Every image is seen once an epoch, in an order that follows from seed and epoch."""

from __future__ import annotations

from trainers.data.order import epoch_order


def test_every_image_is_seen_once() -> None:
    assert sorted(epoch_order(1000, 0, 0).tolist()) == list(range(1000))


def test_an_epoch_has_the_same_order_each_time_and_another_epoch_or_seed_another() -> None:
    first, again, other_epoch, other_seed = (epoch_order(50, *key).tolist() for key in ((7, 2), (7, 2), (7, 3), (8, 2)))
    assert first == again
    assert first not in (other_epoch, other_seed)


def test_the_order_is_the_one_of_runs_long_done() -> None:
    assert epoch_order(8, 7, 2).tolist() == [5, 0, 1, 4, 2, 7, 6, 3]
