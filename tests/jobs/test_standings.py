"""What the names in `log/` and `done/` tell, and what they must not be taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import layout
from jobs.standings import CLAIMED, ENDED, MARKED, VOID, Standings, read_standings, split
from tests.jobs.registers import EXPERIMENT

JOB = "a-1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / EXPERIMENT).mkdir()
    return tmp_path


def put(root: Path, *names: str, done: tuple[str, ...] = ()) -> Standings:
    """The standings when the job's shards hold these names."""
    for part, there in ((layout.LOG, names), (layout.DONE, done)):
        folder = root / EXPERIMENT / part / layout.shard(JOB)
        for name in there:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    return read_standings(str(root), EXPERIMENT, [JOB, "b-2"])


@pytest.mark.parametrize(
    ("names", "done", "top", "kind"),
    [
        (["a-1.0001"], [], 1, CLAIMED),
        (["a-1.0001", "a-1.0001.end"], [], 1, ENDED),
        (["a-1.0001", "a-1.0001.end"], ["a-1.0001"], 1, MARKED),
        (["a-1.0001", "a-1.0001.end", "a-1.0001.void"], ["a-1.0001"], 1, VOID),
        (["a-1.0001.end"], [], 1, ENDED),
        (["a-1.0001", "a-1.0001.end", "a-1.0002"], ["a-1.0001"], 2, CLAIMED),
        (["a-1.0001.end", "a-1.0001", "a-1.0002", "a-1.0002.end"], ["a-1.0002", "a-1.0001"], 2, MARKED),
        (["a-1.0009.end", "a-1.0010"], [], 10, CLAIMED),
        (["a-1.0099", "a-1.0100", "a-1.9999.end", "a-1.10000"], [], 10000, CLAIMED),
        (["a-1.10000", "a-1.10000.end"], ["a-1.10000"], 10000, MARKED),
    ],
)
def test_the_top_attempt_decides(root: Path, names: list[str], done: list[str], top: int, kind: int) -> None:
    found = put(root, *names, done=tuple(done))
    assert split(found.codes[JOB]) == (top, kind)
    assert (found.codes["b-2"], found.late, found.strangers) == (0, {}, [])


def test_a_void_proves_the_end_that_does_not_show(root: Path) -> None:
    found = put(root, "a-1.0001", "a-1.0001.void", "a-1.0002.void")
    assert (split(found.codes[JOB]), found.voids) == ((2, VOID), {JOB: 2})


@pytest.mark.parametrize("names", [[], ["a-1.0001", "a-1.0001.end"], ["a-1.0001", "a-1.0001.end", "a-1.0002"]])
def test_a_marker_ahead_of_the_ends_is_to_be_looked_into(root: Path, names: list[str]) -> None:
    found = put(root, *names, done=("a-1.0001", "a-1.0002"))
    assert found.late == {JOB: 2}
    assert split(found.codes[JOB]) < (2, MARKED)


@pytest.mark.parametrize("name", ["a-1.0000", "a-1.1", "a-1.00001", "a-1", "a-1.0002.tmp", "A-1.0001", ".0001", "a-1."])
def test_what_is_no_register_is_a_stranger(root: Path, name: str) -> None:
    found = put(root, name)
    assert found.codes == {JOB: 0, "b-2": 0}
    assert len(found.strangers) == 1
    assert found.strangers[0].startswith(f"{EXPERIMENT}/log/{layout.shard(JOB)}/")


def test_a_job_that_is_not_planned_is_no_stranger(root: Path) -> None:
    """It may have been planned a moment ago."""
    found = put(root, "c-3.0001", done=("c-3.0001",))
    assert found == Standings({JOB: 0, "b-2": 0})


def test_a_marker_with_a_suffix_or_a_file_for_a_shard_is_a_stranger(root: Path) -> None:
    put(root, "a-1.0001", done=("a-1.0001.end",))
    (root / EXPERIMENT / "log" / "ff").touch()
    (root / EXPERIMENT / "done" / "README").touch()
    found = read_standings(str(root), EXPERIMENT, [JOB])
    shard = layout.shard(JOB)
    assert set(found.strangers) == {
        f"{EXPERIMENT}/{path}" for path in (f"done/{shard}/a-1.0001.end", "log/ff", "done/README")
    }
    assert split(found.codes[JOB]) == (1, CLAIMED)
