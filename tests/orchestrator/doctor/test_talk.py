from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.doctor.talk import Ask, heard, make_name, parse_ask, say, wait_for


def test_a_question_is_its_name() -> None:
    ask = Ask(7, "0123abcd", "plain", 2.5)
    assert parse_ask(ask.name) == ask


@pytest.mark.parametrize("name", ["", "ask", "say.1.seen", "ask.x.t.name.10", "ask.1.t.name.1.5", "ask.1.t.name.x"])
def test_other_names_are_no_questions(name: str) -> None:
    assert parse_ask(name) is None


def test_a_word_is_heard_by_its_number(tmp_path: Path) -> None:
    say(tmp_path, 3, "seen")
    say(tmp_path, 3, "seen")
    assert heard(tmp_path, 3)("seen")
    assert not heard(tmp_path, 3)("ready")
    assert not heard(tmp_path, 4)("seen")


def test_who_waits_gives_the_folder_new_times_and_gives_up(tmp_path: Path) -> None:
    os.utime(tmp_path, ns=(0, 0))
    assert wait_for(lambda: tmp_path.stat().st_mtime_ns > 0, 60.0, nudged=tmp_path) is not None
    assert wait_for(lambda: False, 0.01) is None


def test_making_a_name_twice_is_fine(tmp_path: Path) -> None:
    make_name(tmp_path / "x")
    make_name(tmp_path / "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]
