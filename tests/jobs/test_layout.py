from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import layout
from jobs.layout import Register, parse_register

JOB_IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=layout.MAX_JOB_ID)
ATTEMPTS = st.integers(1, 123_456)


def test_names_are_the_ones_that_other_versions_will_look_for() -> None:
    """Registers outlive the program that wrote them: a name that changes is a job that is lost."""
    assert layout.shard("lr0-1") == f"{zlib.crc32(b'lr0-1') & 0xFF:02x}" == "03"
    assert layout.claim("exp", "lr0-1", 7) == "exp/log/03/lr0-1.0007"
    assert layout.end("exp", "lr0-1", 7) == "exp/log/03/lr0-1.0007.end"
    assert layout.void("exp", "lr0-1", 7) == "exp/log/03/lr0-1.0007.void"
    assert layout.done_marker("exp", "lr0-1", 7) == "exp/done/03/lr0-1.0007"
    assert layout.attempt_folder("exp", "lr0-1", 7, "ab") == "exp/jobs/lr0-1/0007-ab"
    assert layout.result_link("exp", "lr0-1") == "exp/jobs/lr0-1/result"
    assert layout.plan_file("exp", 3) == "exp/plan/000003.jsonl"
    assert layout.lease("ab") == ".orch/sessions/ab.lease"
    assert layout.session_end("ab") == ".orch/sessions/ab.end"
    assert layout.session_note("ab") == ".orch/sessions/ab.json"
    assert layout.ticket("ab", "claim") == ".orch/tmp/ab.claim"
    assert layout.command_temp("xy") == ".orch/tmp/cmd.xy"


@given(JOB_IDS, ATTEMPTS)
def test_every_register_is_read_back_as_what_it_was_written_for(job: str, attempt: int) -> None:
    for name, suffix in ((layout.claim, ""), (layout.end, ".end"), (layout.void, ".void")):
        path = name("exp", job, attempt)
        assert path.startswith(layout.log_shard("exp", job) + "/")
        assert parse_register(path.rpartition("/")[2]) == Register(job, attempt, suffix)


@given(st.text(max_size=40) | st.from_regex(r"[a-z0-9-]{1,5}\.\d{1,6}(\.end|\.void|\.tmp)?", fullmatch=True))
def test_a_name_that_is_read_as_a_register_is_the_one_that_would_be_written(name: str) -> None:
    if (register := parse_register(name)) is not None:
        written = layout.claim("exp", register.job, register.attempt) + register.suffix
        assert written.rpartition("/")[2] == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "job", "job.1", "job.0001.tmp", "job.0001.end~", ".job.0001.end.swp", "job.0001.end.end", "job.0001\n"),
        *("Job.0001", "jo b.0001", "job..0001", "a.b.0001", "job.00001", "job.0000", "job.\u0660\u0660\u0660\u0661"),
        *("job.-001", f"{'a' * 121}.0001", ".nfs000000000000001a00000001", "README"),
    ],
)
def test_strangers_in_a_shard_are_no_registers(name: str) -> None:
    assert parse_register(name) is None


@pytest.mark.parametrize("name", ["quickstart", "cifar10-lt", "Exp_2.v1", "7", "plan", "x" * 100])
def test_names_that_an_experiment_may_have(name: str) -> None:
    assert layout.is_experiment_name(name)


@pytest.mark.parametrize("name", ["", ".orch", "..", ".", "-x", "_x", "a/b", "a b", "a\n", "x" * 101, "\u00fc"])
def test_names_that_would_leave_the_root_or_meet_its_own_folder(name: str) -> None:
    assert not layout.is_experiment_name(name)


@pytest.mark.parametrize(("text", "is_id"), [("lr0-1", True), ("a" * 120, True), ("a" * 121, False), ("a.b", False)])
def test_a_job_id_has_no_dot_and_an_end(text: str, is_id: bool) -> None:
    assert layout.is_job_id(text) is is_id


@pytest.mark.parametrize(
    ("name", "attempt"),
    [("0007-ab", 7), ("0007-ab-2", 7), ("12345-ab", 12345), ("result", None), ("0007", None), ("x-1", None)],
)
def test_the_attempt_of_a_folder(name: str, attempt: int | None) -> None:
    assert layout.attempt_of_folder(name) == attempt
