from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestrator.doctor import host
from orchestrator.doctor.finding import Verdict
from tests.orchestrator.doctor.roots import works


@pytest.mark.parametrize(
    ("torch", "torchvision", "needed", "verdict"),
    [
        ("2.9.0+cu128", "0.24.0+cu128", "==2.9.0", Verdict.GOOD),
        ("2.15.0", "0.29.2", ">=2.14.0", Verdict.GOOD),
        ("2.9.0", "0.24.0", "", Verdict.GOOD),
        ("2.9.1", "0.24.0", "==2.9.0", Verdict.UNFIT),
        ("2.9.1", "0.29.2", ">=2.14.0", Verdict.UNFIT),
        (None, "0.24.0", "==2.9.0", Verdict.UNFIT),
        ("2.9.0", None, "", Verdict.UNFIT),
    ],
)
def test_torch_and_torchvision_must_be_there_and_fit(
    torch: str | None, torchvision: str | None, needed: str, verdict: Verdict
) -> None:
    finding = host.versions(torch, torchvision, needed)
    assert finding.verdict is verdict
    assert bool(finding.remedy) == (verdict is not Verdict.GOOD)


def test_versions_are_those_that_an_import_would_give() -> None:
    import torch

    assert host.installed("torch") == torch.__version__.partition("+")[0]
    assert host.installed("no_such_package") is None
    assert host.needed_torch()[:2] in {"==", ">="}


@pytest.mark.parametrize(
    ("soft", "hard", "verdict"),
    [
        (256, 4096, Verdict.NOTE),
        (1024, 4096, Verdict.GOOD),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, Verdict.GOOD),
    ],
)
def test_few_open_files_are_worth_a_note(soft: int, hard: int, verdict: Verdict) -> None:
    assert host.open_files(soft, hard).verdict is verdict


def test_a_scratch_folder_that_is_gone_is_unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    finding = host.scratch()
    assert finding.verdict is Verdict.UNFIT
    assert "TMPDIR" in finding.remedy


def test_a_pid_namespace_without_its_own_proc_is_worth_a_note() -> None:
    before = ("unshare", "--pid", "--fork")
    if not works(*before):
        pytest.skip("this process may not make a pid namespace")
    code = "from orchestrator.doctor import host; print(host.identity().verdict.value)"
    run = subprocess.run([*before, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "note\n"


def test_this_process_can_be_told_from_others() -> None:
    assert host.identity().verdict is Verdict.GOOD
