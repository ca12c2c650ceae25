from __future__ import annotations

import pytest

from orchestrator.doctor.advice import compare, recommend
from orchestrator.doctor.finding import Verdict
from orchestrator.doctor.mounts import Reach


@pytest.mark.parametrize(
    ("reach", "slowest", "seconds"),
    [
        (Reach.LOCAL, 0.001, 30),
        (Reach.LOCAL, 2.5, 30),
        (Reach.LOCAL, 2.6, 60),
        (Reach.NETWORK, 0.02, 90),
        (Reach.UNKNOWN, 0.02, 90),
        (Reach.NETWORK, 7.5, 90),
        (Reach.NETWORK, 7.6, 120),
        (Reach.NETWORK, 21.0, 270),
    ],
)
def test_a_lease_leaves_room_for_the_server_and_for_what_was_slow(reach: Reach, slowest: float, seconds: float) -> None:
    assert recommend(reach, slowest).seconds == seconds


def test_the_reason_names_what_decided() -> None:
    assert "no server" in recommend(Reach.LOCAL, 0.0).reason
    assert "file server" in recommend(Reach.NETWORK, 0.0).reason
    assert "12 s" in recommend(Reach.NETWORK, 12.0).reason


@pytest.mark.parametrize(("used", "verdict"), [(2.0, Verdict.NOTE), (90.0, Verdict.GOOD), (300.0, Verdict.GOOD)])
def test_only_a_lease_that_is_shorter_than_recommended_is_worth_a_note(used: float, verdict: Verdict) -> None:
    finding = compare(recommend(Reach.NETWORK, 0.0), used, used / 3)
    assert finding.verdict is verdict
    assert ("export ORCH_LEASE_SECONDS=90" in finding.measured + finding.remedy) == (used != 90.0)
