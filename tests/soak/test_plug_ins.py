"""The soak's plug-ins do what they count, on this host or not at all."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.faults.places import Launch
from orchestrator.faults.plugins import Fault, Scene
from tests.orchestrator.waiting import wait_until
from tests.soak.faulty_folder import FaultyFolder
from tests.soak.full_disk import FullDisk
from tests.soak.skew import Skew
from tests.soak.system_calls import SystemCalls

SYNCS = "import os, sys\nfor _ in range(200):\n  try: os.{call}\n  except OSError as error: print(error.errno)"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, tmp_path / "root", 2.0)


def launch(scene: Scene, slot: int = 1) -> Launch:
    return Launch(0, slot, scene.root, scene.folder)


def ready(kind: type[Fault], scene: Scene) -> Iterator[Fault]:
    fault = kind(1.0, random.Random(1))
    if missing := fault.missing():
        pytest.skip(f"missing {missing}")
    fault.set_up(scene)
    yield fault
    fault.clean_up(scene)


@pytest.fixture
def faulty(scene: Scene) -> Iterator[FaultyFolder]:
    for fault in ready(FaultyFolder, scene):
        assert isinstance(fault, FaultyFolder)
        yield fault
    assert not any(path.is_mount() for path in scene.folder.iterdir())


def error_of(path: Path) -> str:
    """What becomes of writing a file and giving it a second name."""
    try:
        path.write_bytes(b"x")
        path.with_suffix(".again").hardlink_to(path)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def test_a_faulty_folder_refuses_what_its_rules_say_and_counts_it(faulty: FaultyFolder, scene: Scene) -> None:
    first, second = (faulty.prepare(launch(scene, slot)).root for slot in (0, 1))
    assert first != second
    assert error_of(first / "a") == ""
    assert (second / "a").read_bytes() == b"x"
    faulty.set_rules([{"op": "link", "errno": "ESTALE"}])
    wait_until(lambda: error_of(first / "b") == "ESTALE", "links are refused")
    assert not (scene.root / "b.again").exists()
    faulty.set_rules([{"op": "link", "errno": "EIO", "after": True, "path": "lost"}])
    wait_until(lambda: error_of(first / "lost") == "EIO", "the reply of a link is lost")
    assert (scene.root / "lost.again").exists()
    faulty.calm(scene)
    wait_until(lambda: error_of(first / f"c-{os.urandom(4).hex()}") == "", "nothing is refused")
    faulty.tally(scene)
    assert faulty.counts["link ESTALE"] >= 1
    assert faulty.counts["link done EIO"] >= 1


def test_a_full_disk_refuses_every_new_block_until_it_is_emptied(scene: Scene) -> None:
    for fault in ready(FullDisk, scene):
        (scene.root / "before").write_bytes(b"x")
        fault.strike(scene)
        with pytest.raises(OSError, match="No space left"):
            (scene.root / "more").write_bytes(bytes(1 << 20))
        (scene.root / "link").hardlink_to(scene.root / "before")  # a name needs no block
        fault.calm(scene)
        (scene.root / "more").write_bytes(bytes(1 << 20))
        assert fault.counts == {"times full": 1}
    assert not scene.root.is_mount()


def test_a_skewed_process_sees_another_hour_and_the_same_monotonic_clock(scene: Scene) -> None:
    code = "import time; print(time.time() - time.clock_gettime(time.CLOCK_TAI), time.monotonic())"
    for fault in ready(Skew, scene):
        prepared = [fault.prepare(launch(scene)) for _ in range(30)]
        hours = set()
        for one in {tuple(sorted(each.env.items())) for each in prepared}:
            argv, env = [sys.executable, "-c", code], {**os.environ, **dict(one)}
            run = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
            hours.add(round(float(run.stdout.split()[0]) / 3600))
        assert hours == {-1, 0, 1}
        assert fault.counts.total() == sum(bool(each.env) for each in prepared)


@pytest.mark.parametrize("call", ["fsync(1)", "mkdir(sys.argv[1] + str(_))"])
def test_system_calls_of_the_traced_worker_fail_and_are_counted(scene: Scene, call: str) -> None:
    for fault in ready(SystemCalls, scene):
        assert fault.prepare(launch(scene, slot=0)).before == ()
        seen = 0
        for number in range(12):  # each start draws other calls
            before = fault.prepare(Launch(number, 1, scene.root, scene.folder)).before
            argv = [*before, sys.executable, "-c", SYNCS.format(call=call), str(scene.folder / f"{number}-")]
            with (scene.folder / "out").open("w+b") as output:
                subprocess.run(argv, stdout=output, cwd=scene.folder, check=True)
            seen += len((scene.folder / "out").read_text().split())
        fault.tally(scene)
        name = call.partition("(")[0]
        assert sum(count for what, count in fault.counts.items() if what.startswith(name)) == seen > 0


def test_a_soak_that_can_do_nothing_here_says_what_is_missing_and_fails(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.soak", "--minutes", "0.1", "--phase", "full disk", "--seed", "4"]
    run = subprocess.run(argv, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "soak: seed 4" in run.stdout
    assert "full disk: skipped: missing" in run.stdout
    assert "NOTHING RAN" in run.stdout
