from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.doctor.appends import Torn
from orchestrator.doctor.corner import corner
from orchestrator.doctor.delays import Delays
from orchestrator.doctor.finding import Verdict
from orchestrator.doctor.mounts import Reach
from orchestrator.doctor.pairs import Meeting, describe, measure, own_peer

QUICK = Delays([0.001, 0.002], [0.001], 0.01, 0.02, 5.0, Torn(300, 0, 0))


def test_a_second_process_sees_what_this_one_does(tmp_path: Path) -> None:
    with corner(tmp_path, 1.0) as mine, own_peer(mine, 4.0):
        findings = list(measure(Meeting(mine, Reach.LOCAL, 4.0, time.monotonic())))
    assert [finding.verdict for finding in findings] == [Verdict.GOOD] * 6, findings
    assert "this host" in findings[0].measured
    asked = next(finding for finding in findings if finding.name == "changed time, asked")
    assert asked.slowest_seconds > 0
    assert list(tmp_path.iterdir()) == []


def test_a_peer_that_is_gone_is_told_and_not_waited_for_for_ever(tmp_path: Path) -> None:
    with corner(tmp_path, 0.0) as mine:
        findings = list(measure(Meeting(mine, Reach.LOCAL, 0.2, time.monotonic())))
    assert findings[-1].verdict is Verdict.NOTE
    assert "run it again" in findings[-1].remedy


def test_a_peer_ends_with_the_doctor_that_started_it(tmp_path: Path) -> None:
    with corner(tmp_path, 0.0) as mine:
        argv = [sys.executable, "-m", "orchestrator.doctor.peer", str(tmp_path), mine.me.token]
        peer = subprocess.Popen(argv, stdin=subprocess.PIPE)
        assert peer.stdin is not None
        peer.stdin.close()
        assert peer.wait(60) == 0


def verdicts(delays: Delays) -> list[Verdict]:
    return [finding.verdict for finding in describe(delays, is_between_hosts=True)]


def test_quick_delays_are_good() -> None:
    assert verdicts(QUICK) == [Verdict.GOOD] * 5


@pytest.mark.parametrize("seen", [[None], [0.001, None], []])
def test_a_change_that_a_forced_look_misses_is_unfit(seen: list[float | None]) -> None:
    late = Delays(QUICK.names, seen, 0.01, 0.02, 5.0, QUICK.torn)
    assert verdicts(late)[1] is Verdict.UNFIT
    late = Delays(seen, QUICK.times, 0.01, 0.02, 5.0, QUICK.torn)
    assert verdicts(late)[0] is Verdict.UNFIT


@pytest.mark.parametrize("late", [None, 26.0])
def test_a_late_plain_look_is_only_worth_a_note(late: float | None) -> None:
    delays = Delays(QUICK.names, QUICK.times, late, late, 30.0, QUICK.torn)
    assert verdicts(delays)[2:4] == [Verdict.NOTE] * 2


@pytest.mark.parametrize("torn", [None, Torn(300, 1, 0), Torn(300, 0, 64)])
def test_torn_lines_are_only_worth_a_note(torn: Torn | None) -> None:
    assert verdicts(Delays(QUICK.names, QUICK.times, 0.0, 0.0, 5.0, torn))[4] is Verdict.NOTE


def test_the_slowest_forced_look_counts_for_the_lease() -> None:
    slow = Delays([0.1, 3.0], [0.2, 4.0], 0.0, 0.0, 5.0, QUICK.torn)
    assert max(finding.slowest_seconds for finding in describe(slow, is_between_hosts=True)) == 4.0
