"""The probes on a good root, and on roots that break one promise each: by strace, which makes single calls fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.doctor import folder
from orchestrator.doctor.corner import corner
from orchestrator.doctor.finding import Verdict
from tests.orchestrator.doctor.roots import works

PROBES = (
    folder.exclusive_create, folder.hard_link, folder.rename, folder.links_in_one_folder,
    folder.forced_look, folder.durable_put, folder.server_clock,
)  # fmt: skip
ONE_PROBE = """
import json, sys
from pathlib import Path
from orchestrator.doctor import folder
from orchestrator.doctor.corner import corner
from orchestrator.doctor.finding import refused
with corner(Path(sys.argv[1]), 0.0) as mine:
    try:
        finding = getattr(folder, sys.argv[2])(mine)
    except OSError as error:
        finding = refused(sys.argv[2], error, is_link="link" in sys.argv[2])
print(json.dumps(finding.as_json()))
"""


def test_a_good_root_passes_every_probe(tmp_path: Path) -> None:
    with corner(tmp_path, 0.0) as mine:
        findings = [probe(mine) for probe in PROBES]
    assert [finding.verdict for finding in findings] == [Verdict.GOOD] * len(PROBES), findings
    assert list(tmp_path.iterdir()) == []


def under(root: Path, probe: str, *inject: str) -> dict[str, Any]:
    """What a probe finds while the named calls fail."""
    strace = ("strace", "-f", "-qq", "-o", "/dev/null", *(word for rule in inject for word in ("-e", f"inject={rule}")))
    if not works("strace", "-o", "/dev/null"):
        pytest.skip("no strace here, or it may not trace")
    run = subprocess.run(
        [*strace, sys.executable, "-c", ONE_PROBE, str(root), probe], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(run.stdout)
    assert list(root.iterdir()) == []
    return found


@pytest.mark.parametrize(
    ("probe", "inject", "word"),
    [
        ("hard_link", "link,linkat:error=EPERM", "no hard links"),
        ("hard_link", "link,linkat:error=EOPNOTSUPP", "no hard links"),
        ("hard_link", "link,linkat:error=EXDEV", "may not cross folders"),
        ("hard_link", "link,linkat:error=EMLINK", "too few names"),
        ("exclusive_create", "fsync:error=EIO", "dmesg"),
        ("exclusive_create", "fsync:error=ENOSPC", "make room"),
        ("exclusive_create", "fsync:error=EDQUOT", "quota"),
        ("exclusive_create", "fsync:error=ESTALE", "mount it again"),
        ("durable_put", "fsync:error=ETIMEDOUT", "hard"),
        ("forced_look", "statx:error=ENOSYS", "kernel"),
    ],
)
def test_an_error_is_unfit_and_has_a_remedy_of_its_own(tmp_path: Path, probe: str, inject: str, word: str) -> None:
    found = under(tmp_path, probe, inject)
    assert found["verdict"] == "unfit"
    assert word in found["remedy"]


def test_a_second_link_that_is_not_refused_is_unfit(tmp_path: Path) -> None:
    found = under(tmp_path, "hard_link", "link,linkat:retval=0:when=2+")
    assert (found["verdict"], found["name"]) == ("unfit", "hard link")
    assert "not refused" in found["measured"]


def test_links_that_are_only_claimed_to_be_made_are_unfit(tmp_path: Path) -> None:
    found = under(tmp_path, "links_in_one_folder", "link,linkat:retval=0:when=50")
    assert found["verdict"] == "unfit"
    assert "2,999 are listed" in found["measured"]


@pytest.mark.parametrize(("bound", "verdict"), [(300, "unfit"), (1000, "good")])
def test_a_bound_of_links_is_unfit_where_tickets_would_meet_it(tmp_path: Path, bound: int, verdict: str) -> None:
    found = under(tmp_path, "links_in_one_folder", f"link,linkat:error=EMLINK:when={bound + 1}")
    assert (found["values"]["links"], found["values"]["is_bound_met"]) == (bound, True)
    assert found["verdict"] == verdict


def test_a_root_without_symbolic_links_is_only_worth_a_note(tmp_path: Path) -> None:
    found = under(tmp_path, "rename", "symlink,symlinkat:error=EPERM")
    assert found["verdict"] == "note"
    assert "result" in found["remedy"]


def test_a_synced_put_that_is_slow_counts_for_the_lease(tmp_path: Path) -> None:
    found = under(tmp_path, "durable_put", "fsync:delay_enter=500000:when=3")
    assert found["slowest_seconds"] >= 0.5
