from __future__ import annotations

import errno
import json

import pytest

from orchestrator.doctor.finding import Finding, Section, Verdict, in_words, refused, remedy_for


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 us"), (0.00003, "30 us"), (0.0004, "0.4 ms"), (0.035, "35 ms"), (2.14, "2.1 s"), (40.2, "40 s")],
)
def test_durations_have_few_digits(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_a_finding_comes_through_a_pipe_whole() -> None:
    finding = Finding(Section.PEER, "name", "measured", Verdict.NOTE, "remedy", 0.5, {"seconds": 0.5, "host": None})
    assert Finding.from_json(json.loads(json.dumps(finding.as_json()))) == finding


def test_a_refused_link_means_there_are_none_and_a_refused_file_means_no_rights() -> None:
    error = PermissionError(errno.EPERM, "Operation not permitted")
    assert "no hard links" in remedy_for(error, is_link=True)
    assert "where you may write" in remedy_for(error)
    assert refused("hard link", error, is_link=True).measured == "Operation not permitted (EPERM)"


def test_an_error_nobody_thought_of_has_a_remedy_too() -> None:
    assert refused("rename", OSError(errno.ELOOP, "Too many levels")).remedy
    assert refused("rename", OSError("no number")).measured == "no number"
