from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.grid.planning import refusal, the_job


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("12h", 43200.0),
        ("90m", 5400.0),
        ("30s", 30.0),
        ("1d", 86400.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("45", 45.0),
        ("0.5", 0.5),
        ("'2 h'", 7200.0),
        ("", None),
    ],
)
def test_a_timeout_is_seconds_or_a_duration(tmp_path: Path, written: str, seconds: float | None) -> None:
    assert the_job(tmp_path, f"timeout: {written}").timeout_seconds == seconds


def test_policy_words_become_fields_of_the_job(tmp_path: Path) -> None:
    job = the_job(
        tmp_path, "priority: -2\nmax_attempts: 5\nresources: {gpus: 2}\nnotes: 'a: b'\nneeds: [b-2, a-1, b-2]"
    )
    assert (job.priority, job.max_attempts, job.gpus, job.notes) == (-2, 5, 2, "a: b")
    assert job.needs == ("a-1", "b-2")
    assert job.content == {"needs": ["a-1", "b-2"]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("timeout: 3 weeks", "g.yaml:1: timeout is '3 weeks'; write seconds, or 90m, 12h, 1d"),
        ("timeout: 12h later", "g.yaml:1: timeout is '12h later'"),
        ("timeout: -5", "g.yaml:1: timeout is -5"),
        ("timeout: 0s", "g.yaml:1: timeout is '0s'"),
        ("timeout: true", "g.yaml:1: timeout is true"),
        ("timeout: {h: 1}", "g.yaml:1: timeout is a mapping"),
        ("priority: high", "g.yaml:1: priority is 'high'; it must be a whole number"),
        ("priority.x: 1", "g.yaml:1: unknown key 'priority.x'; use priority"),
        ("max_attempts: 0", "g.yaml:1: max_attempts is 0; it must be at least 1"),
        ("resources: 2", "g.yaml:1: resources is 2; write resources: {gpus: 1}"),
        ("resources: {gpu: 2}", "g.yaml:1: unknown resource 'gpu'; use gpus"),
        ("resources: {gpus: -1}", "g.yaml:1: resources.gpus is -1; it must be at least 0"),
        ("notes: [a]", "g.yaml:1: notes cannot be an axis"),
        ("notes: 5", "g.yaml:1: notes is 5; it must be a word"),
    ],
)
def test_a_wrong_policy_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert refusal(tmp_path, text).startswith(line)
