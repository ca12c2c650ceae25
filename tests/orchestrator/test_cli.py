"""The commands as a user types them: what they print, their exit codes, and one line for each mistake."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.gpus import inventory
from tests.orchestrator import no_links
from tests.orchestrator.scene import WORKER, Scene, error_line, grid

NO_LINKS = (sys.executable, no_links.__file__)
COMMANDS = (
    "init", "plan", "worker", "status", "report", "export", "doctor",
    "show", "logs", "requeue", "cancel", "hold", "release", "priority",
)  # fmt: skip
CALL = grid(kind="call", target="deeds:append", params__i=[1, 2])
READ_ONLY = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount --bind "$ORCH_ROOT" "$ORCH_ROOT" && mount -o remount,ro,bind "$ORCH_ROOT" && exec "$@"',
    "sh",
)


def works(*command: str, **environment: str) -> bool:
    try:
        run = subprocess.run([*command, "true"], capture_output=True, check=False, env=environment or None)
    except FileNotFoundError:
        return False
    return run.returncode == 0


def has_no_gpu() -> bool:
    return not inventory()


def write_grid(scene: Scene, text: str = CALL) -> str:
    path = scene.folder / "g.yaml"
    path.write_text(text)
    return str(path)


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


# --- the commands ---------------------------------------------------------------------------------------------------


def test_the_installed_script_is_the_same_as_the_module(scene: Scene) -> None:
    script = Path(sys.executable).with_name("orch")
    run = subprocess.run([script, "--help"], capture_output=True, text=True, check=True, env=scene.environment())
    assert run.stdout == scene.orch("--help")[0].replace("python -m orchestrator", "orch")
    for command in COMMANDS:
        assert f"\n  {command} " in run.stdout
    assert scene.orch("--version")[0].startswith("orch, version ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(scene: Scene, command: str) -> None:
    said, _ = scene.orch(command, "--help")
    assert "Example:" in said


def test_planning_twice_plans_nothing_new(scene: Scene) -> None:
    path = write_grid(scene)
    assert scene.orch("plan", path)[0] == "planned g: 2 new, 0 unchanged\n"
    assert scene.orch("plan", path)[0] == "planned g: 0 new, 2 unchanged\n"
    said, _ = scene.orch("plan", path, "--set", "params.i=2,3")
    assert said == "planned g: 1 new, 1 unchanged, 1 planned before are not in this grid (they stay)\n"
    said, _ = scene.orch("plan", path, "--set", "priority=4", "--json")
    assert json.loads(said) == {
        "experiment": "g", "new": 0, "updated": 2, "unchanged": 0, "orphaned": 1, "dry_run": False,
    }  # fmt: skip


def test_a_dry_run_lists_the_cells_and_adds_nothing(scene: Scene) -> None:
    path = write_grid(scene)
    lines = scene.orch("plan", path, "--dry-run")[0].splitlines()
    assert [line.partition("  ")[2] for line in lines[:2]] == ["params.i=1", "params.i=2"]
    assert lines[2] == "would plan g: 2 new, 0 unchanged"
    cells = json.loads(scene.orch("plan", path, "--dry-run", "--json")[0])["cells"]
    assert [cell["id"] for cell in cells] == [line.split()[0] for line in lines[:2]]
    assert not scene.root.exists()


def test_the_four_commands_work_with_no_further_argument(scene: Scene) -> None:
    scene.orch("init")
    (scene.folder / "grid.yaml").write_text("name: first\n" + CALL)
    scene.orch("plan")
    scene.orch(*WORKER)
    said, _ = scene.orch("status")
    assert said.splitlines()[:2] == ["first  2 jobs", "  done 2"]


def test_init_writes_a_grid_that_can_be_planned_and_never_over_another(scene: Scene) -> None:
    assert scene.orch("init")[0] == "wrote grid.yaml; edit it, then: orch plan\n"
    assert "new" in scene.orch("plan", "--dry-run")[0]
    before = (scene.folder / "grid.yaml").read_text()
    _, complaint = scene.orch("init", expect=2)
    assert error_line(complaint).startswith("error: grid.yaml is there already")
    assert (scene.folder / "grid.yaml").read_text() == before


# --- the user's input is wrong: 2 -----------------------------------------------------------------------------------


def test_without_a_grid_plan_names_init(scene: Scene) -> None:
    _, complaint = scene.orch("plan", expect=2)
    assert "grid.yaml: no such file" in error_line(complaint)
    assert "orch init" in error_line(complaint)


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("loss: ladm\ndataset: digits\n", (), "g.yaml:1: unknown loss 'ladm'"),
        ("loss: [ce\n", (), "g.yaml:2"),
        ("", (), "g.yaml: empty"),
        ("loss: []\ndataset: digits\n", (), "g.yaml:1: the axis 'loss' is empty"),
        ("dataset: digits\ntrain: {epochs: many}\n", (), "g.yaml:2"),
        ("dataset: {name: folder, path: nowhere}\n", (), "nowhere"),
        ("dataset: digits\n", ("--set", "train.epoch=3"), "train.epoch"),
        (f"dataset: digits\nseed: {list(range(4000))}\ndata_seed: {list(range(4000))}\n", (), "16,000,000"),
    ],
)
def test_a_mistake_in_a_grid_gets_one_line_and_leaves_nothing(
    scene: Scene, text: str, words: tuple[str, ...], said: str
) -> None:
    _, complaint = scene.orch("plan", write_grid(scene, text), *words, expect=2)
    assert said in error_line(complaint)
    assert files_under(scene.root) == []


def test_a_mistake_that_shows_only_in_the_last_cell_leaves_nothing(scene: Scene) -> None:
    rule = "dataset: digits\nloss: ce\nseed: [0, 1, 2]\nwhen: [{if: {seed: 2}, set: {loss.gamma: 2}}]\n"
    _, complaint = scene.orch("plan", write_grid(scene, rule), expect=2)
    assert "gamma" in error_line(complaint)
    assert files_under(scene.root) == []


@pytest.mark.parametrize("wanted", ["x", "", "0,x", "-", "1.5"])
def test_gpus_that_are_no_list_of_numbers_are_refused(scene: Scene, wanted: str) -> None:
    _, complaint = scene.orch("worker", "--gpus", wanted, expect=2)
    assert error_line(complaint).startswith(f"error: --gpus {wanted}: not a list of numbers")


def test_a_worker_with_nothing_to_run_on_is_refused(scene: Scene) -> None:
    _, complaint = scene.orch("worker", "--gpus", "none", "--slots", "0", expect=2)
    assert "leaves nothing to run on" in error_line(complaint)


@pytest.mark.parametrize("name", ["ORCH_LEASE_SECONDS", "ORCH_BEAT_SECONDS"])
@pytest.mark.parametrize("text", ["abc", "0", "-3", "nan", "inf"])
def test_a_lease_that_is_no_time_is_refused_before_anything_is_written(scene: Scene, name: str, text: str) -> None:
    _, complaint = scene.orch(*WORKER, expect=2, env={name: text})
    assert error_line(complaint).startswith(f"error: {name}='{text}' is not a number of seconds")
    assert not scene.root.exists()
    assert list((scene.folder / "tmp").iterdir()) == []


def test_a_beat_that_would_not_keep_the_lease_is_refused(scene: Scene) -> None:
    _, complaint = scene.orch(*WORKER, expect=2, env={"ORCH_LEASE_SECONDS": "3", "ORCH_BEAT_SECONDS": "3"})
    assert error_line(complaint).startswith("error: ORCH_BEAT_SECONDS=3 is no shorter than the lease of 3 s")


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("worker", "--slots", "x"), ("plan", "a", "b"), ("status", "--wach"), ("worker", "--slots", "-1")],
)
def test_words_that_are_none_of_a_command_s_end_with_2_and_the_way_to_the_help(
    scene: Scene, words: tuple[str, ...]
) -> None:
    _, complaint = scene.orch(*words, expect=2)
    assert error_line(complaint).endswith("--help")


@pytest.mark.parametrize("words", [("show", "x"), ("logs", "x"), ("cancel", "x", "-y"), ("hold", "-e", "x", "-y")])
def test_what_is_asked_of_a_root_without_a_plan_is_refused(scene: Scene, words: tuple[str, ...]) -> None:
    complaint = error_line(scene.orch(*words, expect=2)[1])
    assert "nothing is planned" in complaint
    assert "orch plan" in complaint
    assert not scene.root.exists()


def test_a_report_of_nothing_is_refused(scene: Scene) -> None:
    assert "nothing is planned" in error_line(scene.orch("report", expect=2)[1])
    scene.plan("there", CALL)
    complaint = error_line(scene.orch("report", "their", expect=2)[1])
    assert "no experiment 'their'" in complaint
    assert "there" in complaint


# --- the host or the folder is unfit: 3 -----------------------------------------------------------------------------


@pytest.mark.skipif(not has_no_gpu(), reason="this host has GPUs")
@pytest.mark.parametrize("wanted", ["7", "all", "0,1"])
def test_gpus_that_are_not_there_make_the_host_unfit(scene: Scene, wanted: str) -> None:
    _, complaint = scene.orch("worker", "--gpus", wanted, expect=3)
    assert error_line(complaint).startswith(f"error: --gpus {wanted}: ")
    assert not scene.root.exists()


@pytest.mark.parametrize("command", [("plan",), WORKER])
@pytest.mark.parametrize("root", ["/proc/nowhere", "file/root"])
def test_a_root_that_cannot_be_made_is_unfit(scene: Scene, command: tuple[str, ...], root: str) -> None:
    (scene.folder / "file").write_text("no folder")
    words = (*command, write_grid(scene)) if command == ("plan",) else command
    _, complaint = scene.orch(*words, expect=3, env={"ORCH_ROOT": root})
    assert "give a root where you may write" in error_line(complaint)
    assert list((scene.folder / "tmp").iterdir()) == []


@pytest.mark.skipif(not works("unshare", "--mount"), reason="this host permits no mounts of one's own")
@pytest.mark.parametrize("command", [("plan",), WORKER])
def test_a_root_mounted_read_only_is_unfit(scene: Scene, command: tuple[str, ...]) -> None:
    scene.root.mkdir()
    words = (*command, write_grid(scene)) if command == ("plan",) else command
    _, complaint = scene.orch(*words, expect=3, before=READ_ONLY)
    assert "Read-only file system" in error_line(complaint)
    assert list(scene.root.iterdir()) == []
    assert list((scene.folder / "tmp").iterdir()) == []


@pytest.mark.skipif(not works(*NO_LINKS), reason="this host takes no seccomp filter")
@pytest.mark.parametrize("command", [("plan",), WORKER])
def test_a_root_without_hard_links_is_unfit_and_keeps_nothing_of_the_try(
    scene: Scene, command: tuple[str, ...]
) -> None:
    words = (*command, write_grid(scene)) if command == ("plan",) else command
    _, complaint = scene.orch(*words, expect=3, before=NO_LINKS)
    assert "hard links" in error_line(complaint)
    assert files_under(scene.root) == []
    assert list((scene.folder / "tmp").iterdir()) == []


def test_a_reader_that_goes_away_is_no_error(scene: Scene) -> None:
    scene.plan("many", grid(kind="call", target="deeds:append", params__i=list(range(3000))))
    command = f'{sys.executable} -m orchestrator plan --dry-run "$1" | head -1; echo "${{PIPESTATUS[0]}}"'
    path = next(scene.folder.glob("many*.yaml"))
    run = subprocess.run(
        ["bash", "-c", command, "bash", path], env=scene.environment(), capture_output=True, text=True, check=True
    )
    assert (run.stdout.splitlines()[1:], run.stderr) == (["0"], "")


def test_a_server_that_is_away_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def scandir(path: object) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(SystemExit) as caught:
        main(["--root", str(tmp_path), "status"])
    assert caught.value.code == 3
    assert error_line(capsys.readouterr().err).startswith(f"error: {tmp_path}: Stale file handle; is its server away?")
