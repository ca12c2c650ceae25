"""What a worker makes of a folder that takes no writes for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import layout
from jobs.store import FolderStore
from orchestrator.weather import Weather
from tests.jobs.clock import Clock
from tests.jobs.full_disk import full_disk

SID = "0123456789abcdef"


class Sky:
    """A folder, its weather, and what was said of it."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.said: list[str] = []
        self.clock = clock
        self.weather = Weather(self.said.append, clock)
        self.store = FolderStore(root, clock, self.weather.hear)

    def is_fair(self) -> bool:
        return self.weather.is_fair(self.store, SID)

    def wait_for_next_try(self) -> float:
        waited = self.weather.next_due() - self.clock.now
        self.clock.now += waited
        return waited


@pytest.fixture
def sky(tmp_path: Path, clock: Clock) -> Sky:
    return Sky(tmp_path, clock)


def test_a_full_folder_is_told_of_tried_again_with_back_off_and_told_of_when_it_is_back(sky: Sky) -> None:
    with full_disk():
        assert not sky.weather.takes_writes(sky.store, SID)
        waits = []
        for _ in range(9):
            assert not sky.is_fair()
            waits.append(sky.wait_for_next_try())
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert sky.is_fair()
    assert sky.said[0].startswith("waiting for the folder: ")
    assert sky.said[0].endswith("File too large; next try in 2 s")
    assert sky.said[-1] == "the folder is back after 92 s"
    assert sky.weather.next_due() == float("inf")


def test_trouble_that_is_over_at_the_next_try_is_not_worth_a_line(sky: Sky) -> None:
    sky.weather.note(OSError(5, "Input/output error", "x"))
    assert not sky.is_fair()
    sky.wait_for_next_try()
    assert sky.is_fair()
    assert sky.said == []


def test_trouble_that_comes_again_and_again_is_given_longer_each_time(sky: Sky) -> None:
    waits = []
    for _ in range(3):
        sky.weather.note("no answer")
        waits.append(sky.wait_for_next_try())
        assert sky.is_fair()
    assert waits == [0.25, 0.5, 1]
    sky.clock.now += 60
    sky.weather.note("no answer")
    assert sky.wait_for_next_try() == 0.25


def test_a_try_leaves_nothing_behind(sky: Sky, tmp_path: Path) -> None:
    assert sky.weather.takes_writes(sky.store, SID)
    assert list((tmp_path / layout.TMP).iterdir()) == []
    with full_disk(1000):
        assert not sky.weather.takes_writes(sky.store, SID)
    assert list((tmp_path / layout.TMP).iterdir()) == []


def test_a_file_that_cannot_be_read_does_not_keep_others_from_being_written(sky: Sky) -> None:
    sky.weather.hear(OSError(5, "Input/output error", "x"), is_write=False)
    assert sky.is_fair()
    assert sky.weather.unread == 1
