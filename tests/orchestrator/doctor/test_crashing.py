from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from jobs.errors import HostUnfitError
from orchestrator.doctor.crashing import raise_if_broken, render
from orchestrator.faults.audit import Audit
from orchestrator.faults.findings import Breach, Finding
from orchestrator.faults.toll import Toll

KEPT = Toll("crash test", seed=7, lease_seconds=2.0, jobs=3, audit=Audit(states=Counter(done=3)))


def broken() -> Toll:
    toll = Toll("crash test", seed=7, lease_seconds=2.0, jobs=3, audit=Audit(states=Counter(done=3)))
    toll.audit.findings.append(Finding(Breach.TWICE, "some/where/far/away"))
    toll.left_behind.append("sleep 1000")
    return toll


def test_promises_that_were_kept_are_no_error(tmp_path: Path) -> None:
    raise_if_broken(tmp_path, KEPT)
    assert list(render(KEPT))[-1] == "crash test: every promise was kept"


def test_a_broken_promise_is_one_line_with_the_seed_that_repeats_it(tmp_path: Path) -> None:
    with pytest.raises(HostUnfitError) as caught:
        raise_if_broken(tmp_path, broken())
    line = str(caught.value)
    assert Breach.TWICE.value in line
    assert "(and 1 more)" in line
    assert "--seed 7" in line
    assert "far/away" not in line
    assert not any("every promise was kept" in said for said in render(broken()))
