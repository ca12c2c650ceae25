from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.doctor.advice import Lease
from orchestrator.doctor.examination import Examination
from orchestrator.doctor.finding import Finding, Section, Verdict
from orchestrator.doctor.rendering import render

GOOD = Finding(Section.HOST, "host", "a good [host] :smile:")
NOTE = Finding(Section.ROOT, "mount", "a mount " + "with many options " * 12, Verdict.NOTE, "mount it otherwise")
UNFIT = Finding(Section.ROOT, "hard link", "Operation not permitted (EPERM)", Verdict.UNFIT, "give another root")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def rendered(monkeypatch: pytest.MonkeyPatch, *findings: Finding, width: int = 80) -> str:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return render(Examination(Path("/srv/runs"), findings, Lease(90, "so")), width)


def test_every_finding_has_a_line_and_every_remedy_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ESCAPE.sub("", rendered(monkeypatch, GOOD, NOTE, UNFIT)).splitlines()
    assert lines[0] == "this host"
    assert lines[1].split(maxsplit=2) == ["good", "host", "a good [host] :smile:"]
    assert lines[2] == "the root /srv/runs"
    assert any(line.strip() == "-> give another root" for line in lines)
    assert lines[-1] == "unfit: 1 to mend, 1 to note"
    assert max(map(len, lines)) <= 80


def test_notes_alone_leave_a_root_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ESCAPE.sub("", rendered(monkeypatch, GOOD, NOTE)).splitlines()[-1] == "fit to work, 1 to note"


def test_verdicts_have_colours_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    said = rendered(monkeypatch, GOOD, UNFIT)
    assert "\x1b[32m  good" in said
    assert "\x1b[1;31m  unfit" in said
