"""`orch doctor` as a user runs it, on roots of every kind that this host lets one make."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from orchestrator.doctor.examination import Options, examine
from orchestrator.doctor.finding import Finding, Section, Verdict
from tests.orchestrator.doctor.roots import NO_LINKS, fuse, mounted, other_host, works
from tests.orchestrator.scene import Scene, error_line
from tests.orchestrator.waiting import wait_until

SECTIONS = ["this host", "the root", "between two processes", "the lease"]


def examined(scene: Scene, *words: str, **options: Any) -> dict[str, Any]:
    """What `orch doctor --json` found."""
    found: dict[str, Any] = json.loads(scene.orch("doctor", "--json", *words, **options)[0])
    return found


def verdict(found: dict[str, Any], name: str) -> str:
    (one,) = [finding["verdict"] for finding in found["findings"] if finding["name"] == name]
    return str(one)


def is_untouched(root: Path) -> bool:
    return not any(root.rglob("*"))


# --- good roots -----------------------------------------------------------------------------------------------------


def test_a_good_root_is_fit_and_gets_a_lease(scene: Scene) -> None:
    said, _ = scene.orch("doctor", "--seconds", "2")
    for section in SECTIONS:
        assert f"\n{section}" in f"\n{said}"
    assert "hard link" in said
    assert "ORCH_LEASE_SECONDS=" in said
    assert "fit to work" in said
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= 100
    assert not scene.root.exists()


def test_the_form_for_scripts(scene: Scene) -> None:
    found = examined(scene, "--seconds", "2", env={"ORCH_LEASE_SECONDS": "1"})
    assert (found["schema"], found["fit"], found["root"]) == (1, True, str(scene.root))
    assert found["lease_seconds"] in {30.0, 90.0}
    assert found["crash_test"] is None
    assert list(dict.fromkeys(finding["section"] for finding in found["findings"])) == SECTIONS
    for finding in found["findings"]:
        assert finding["verdict"] in {"good", "note", "unfit"}
        assert bool(finding["remedy"]) == (finding["verdict"] != "good"), finding
    assert verdict(found, "lease") == "note"


def test_a_root_in_use_is_left_as_it_was(scene: Scene) -> None:
    scene.plan("g", 'kind: call\ntarget: "deeds:append"\nparams.i: [1]\n')
    before = {path: path.stat().st_mtime_ns for path in scene.root.rglob("*") if path.is_file()}
    scene.orch("doctor", "--seconds", "2")
    assert {path: path.stat().st_mtime_ns for path in scene.root.rglob("*") if path.is_file()} == before


def test_a_wrong_lease_is_the_users_to_mend(scene: Scene) -> None:
    _, error = scene.orch("doctor", expect=2, env={"ORCH_LEASE_SECONDS": "soon"})
    assert "ORCH_LEASE_SECONDS" in error_line(error)


# --- roots that will not do -----------------------------------------------------------------------------------------


def refused(scene: Scene, before: tuple[str, ...]) -> tuple[str, str]:
    """The table and the one line of a doctor that ends with exit code 3."""
    said, error = scene.orch("doctor", expect=3, before=before)
    assert "unfit" in said
    assert "\n\n" not in said
    return said, error_line(error)


def test_a_root_without_hard_links(scene: Scene) -> None:
    if not works(*NO_LINKS):
        pytest.skip("the kernel takes no seccomp filter here")
    scene.root.mkdir()
    _, line = refused(scene, NO_LINKS)
    assert "hard link" in line
    assert "NFS" in line
    assert is_untouched(scene.root)


def test_a_root_that_cannot_be_written(scene: Scene) -> None:
    before = mounted(scene.root, 'mount --bind "$root" "$root" && mount -o remount,ro,bind "$root"')
    _, line = refused(scene, before)
    assert line.startswith(f"error: {scene.root}: mount: read-only")
    assert "read-write" in line


@pytest.mark.parametrize("options", ["size=1m", "size=200m,nr_inodes=40"])
def test_a_full_root(scene: Scene, options: str) -> None:
    fill = '{ head -c 2m /dev/zero > "$root/fill"; for i in $(seq 40); do touch "$root/$i"; done; } 2>/dev/null || true'
    said, line = refused(scene, mounted(scene.root, f'mount -t tmpfs -o {options} small "$root" && {{ {fill}; }}'))
    assert "free space" in line or "free inodes" in line
    assert "full" in line
    assert "ENOSPC" in said


def test_a_root_of_somebody_else(scene: Scene) -> None:
    before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    if os.getuid() != 0 or not works(*before):
        pytest.skip("only root can give a folder away, and drop what lets it write there")
    scene.root.mkdir()
    os.chown(scene.root, 65534, 65534)
    _, line = refused(scene, before)
    assert "where you may write" in line


def test_a_root_below_a_file(scene: Scene) -> None:
    scene.root.write_text("a file")
    said, error = scene.orch("--root", str(scene.root / "below"), "doctor", expect=3)
    assert "folder" in error_line(error)
    assert "fit to work" not in said


# --- through caches, and from two hosts -----------------------------------------------------------------------------


def test_two_hosts_with_caches_of_their_own_find_each_other(scene: Scene) -> None:
    caches = ("entry_timeout=60", "negative_timeout=60", "attr_timeout=60")
    far = other_host("far")
    with fuse(scene.folder, "m1", *caches) as one, fuse(scene.folder, "m2", *caches) as two:
        there = scene.start("--root", str(two.point), "doctor", "--json", "--seconds", "6", before=far)
        found = examined(scene, "--seconds", "6", env={"ORCH_ROOT": str(one.point)})
        assert there.wait() == 0, there.said()
        theirs = json.loads(there.said())
        assert is_untouched(scene.folder / "back")
    partners = {"far": found, socket.gethostname(): theirs}
    for host, document in partners.items():
        (partner,) = [finding for finding in document["findings"] if finding["name"] == "second process"]
        assert partner["values"]["host"] == host
        assert verdict(document, "new name, asked") == "good"
        assert verdict(document, "changed time, asked") == "good"
        assert verdict(document, "new name, cached") == "note"
        assert verdict(document, "changed time, cached") == "note"


def test_a_fuse_root_without_hard_links(scene: Scene) -> None:
    with fuse(scene.folder, "m1") as mount:
        mount.rule(op="link", errno="EOPNOTSUPP")
        _, error = scene.orch("doctor", expect=3, env={"ORCH_ROOT": str(mount.point)})
        assert "no hard links" in error_line(error)
        assert is_untouched(scene.folder / "back")


def findings_of(root: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(root, Options(seconds=2, patience_seconds=2)).findings}


def test_a_root_whose_server_does_not_answer_is_said_so(scene: Scene) -> None:
    with fuse(scene.folder, "m1") as mount:
        os.kill(mount.process.pid, signal.SIGSTOP)
        try:
            found = findings_of(mount.point)["answer"]
        finally:
            os.kill(mount.process.pid, signal.SIGCONT)
    assert (found.section, found.verdict) == (Section.ROOT, Verdict.UNFIT)
    assert "no answer" in found.measured
    assert str(mount.point) in found.measured


def test_a_root_that_falls_silent_during_a_probe_is_said_so(scene: Scene) -> None:
    with fuse(scene.folder, "m1") as mount:
        mount.rule(op="rename", path="pointer", delay=6)
        found = findings_of(mount.point)
    assert found["hard link"].verdict is Verdict.GOOD
    assert "rename" in found["answer"].measured


def test_the_command_itself_looks_at_no_root_before_it_says_so(scene: Scene) -> None:
    with fuse(scene.folder, "m1") as mount:
        os.kill(mount.process.pid, signal.SIGSTOP)
        try:
            started = scene.start("--root", str(mount.point), "doctor")
            wait_until(
                lambda: any("doctor.child" in line for line in started.processes().values()), "it has got so far"
            )
            started.process.send_signal(signal.SIGINT)
        finally:
            os.kill(mount.process.pid, signal.SIGCONT)
        assert started.wait() == 130
        wait_until(lambda: is_untouched(scene.folder / "back"), "nothing is left")


# --- leaving early --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_doctor_that_is_told_to_leave_removes_its_probes(scene: Scene, number: signal.Signals, code: int) -> None:
    # A pipe that ends is what tells the process at work; it takes its probes along then.
    started = scene.start("doctor", "--seconds", "60")
    wait_until(lambda: list(scene.root.glob(".orch/doctor/*/talk/*")), "the measurement has begun")
    started.process.send_signal(number)
    assert started.wait() == code
    if number is signal.SIGINT:
        assert not scene.root.exists()
    wait_until(lambda: not scene.root.exists(), "the root is gone again")
    started.wait_until_nothing_is_left()


def test_a_killed_measurement_is_told(scene: Scene) -> None:
    started = scene.start("doctor", "--seconds", "60")
    (child,) = wait_until(
        lambda: [pid for pid, line in started.processes().items() if "doctor.child" in line], "its process is there"
    )
    wait_until(lambda: list(scene.root.glob(".orch/doctor/*/talk")), "its corner is there")
    os.kill(child, signal.SIGKILL)
    assert started.wait() == 3
    assert "ended with -9" in " ".join(started.said().split())
    started.wait_until_nothing_is_left()


# --- the crash test -------------------------------------------------------------------------------------------------


def test_a_crash_test_counts_and_leaves_nothing(scene: Scene) -> None:
    said, _ = scene.orch("doctor", "--seconds", "2", "--crash-test", "--jobs", "20", "--seed", "1")
    assert "seed 1" in said
    assert "20 jobs (20 done)" in said
    assert "every promise was kept" in said
    assert not scene.root.exists()


def test_a_crash_test_that_is_told_to_leave_takes_everything_along(scene: Scene) -> None:
    started = scene.start("doctor", "--seconds", "2", "--crash-test", "--jobs", "500")
    wait_until(lambda: list(scene.root.glob(".orch/crash-test-*/.orch/sessions/*.lease")), "its workers are there")
    started.process.send_signal(signal.SIGINT)
    assert started.wait() == 130
    assert not scene.root.exists()
    started.wait_until_nothing_is_left()


def test_options_of_the_crash_test_are_refused_without_it(scene: Scene) -> None:
    _, error = scene.orch("doctor", "--jobs", "3", expect=2)
    assert "--crash-test" in error_line(error)
