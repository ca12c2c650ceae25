"""The judge: it finds a root that real workers left sound, and every kind of damage that is done to it by hand."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs import layout
from jobs.records import Claimer, End
from orchestrator.faults.audit import Audit, audit, from_json, render
from orchestrator.faults.findings import Breach
from tests.jobs.registers import EXPERIMENT, Root, spec

WEIGHTS = b"weights" * 1000


class Worked(Root):
    """A root with some history: every register in it was put as workers put it."""

    def finish(self, job: str, attempt: int, who: Claimer) -> Path:
        """A done attempt that left a file; its folder."""
        self.claim(job, attempt, who)
        name = layout.attempt_folder(EXPERIMENT, job, attempt, who.sid)
        folder = self.path / name
        folder.mkdir(parents=True)
        (folder / "weights.bin").write_bytes(WEIGHTS)
        (folder / layout.LOG_FILE).write_text("what it printed is no part of the result")
        files = [["weights.bin", len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest()]]
        self.end(job, attempt, End.DONE, sid=who.sid, folder=name, files=files)
        self.mark(job, attempt)
        link = self.path / layout.result_link(EXPERIMENT, job)
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        return folder


@pytest.fixture
def root(tmp_path: Path) -> Worked:
    """a: evicted, then done. b: done, requeued, done. c: cancelled unclaimed. d: spent. e: needs d."""
    made = Worked(tmp_path)
    made.plan("a", "b", "c", spec("d", max_attempts=2), spec("e", needs=("d",)))
    dead, alive = made.session(), made.session()
    made.claim("a", 1, dead)
    made.end_session(dead)
    made.end("a", 1, End.EVICTED, by=alive.sid)
    made.finish("a", 2, alive)
    made.finish("b", 1, alive)
    made.void("b", 1, fresh=True)
    made.finish("b", 2, alive)
    made.end("c", 1, End.CANCELLED)
    for number in (1, 2):
        made.claim("d", number, alive)
        made.end("d", number, End.FAILED, error="always")
    made.end_session(alive, "closed")
    return made


def test_a_sound_root_is_found_sound(root: Worked) -> None:
    found = audit(root.path)
    assert list(found.findings) == []
    assert (found.jobs, found.claims, found.files, found.stale_links) == (5, 6, 3, 0)
    assert found.states == {"done": 2, "cancelled": 1, "spent": 1, "blocked": 1}
    assert found.ends == {"done": 3, "evicted": 1, "failed": 2, "cancelled": 1}
    assert found.sessions == {"evicted": 1, "closed": 1}


def _path(root: Worked, name: str) -> Path:
    return root.path / name


def _rewrite_weights(root: Worked) -> None:
    next(root.path.glob(f"{EXPERIMENT}/jobs/a/0002-*/weights.bin")).write_bytes(WEIGHTS[::-1])


def _shorten_weights(root: Worked) -> None:
    next(root.path.glob(f"{EXPERIMENT}/jobs/a/0002-*/weights.bin")).write_bytes(WEIGHTS[:-1])


def _remove_weights(root: Worked) -> None:
    next(root.path.glob(f"{EXPERIMENT}/jobs/a/0002-*/weights.bin")).unlink()


def _add_a_file(root: Worked) -> None:
    next(root.path.glob(f"{EXPERIMENT}/jobs/a/0002-*")).joinpath("late.bin").write_bytes(b"?")


def _lose_the_end_of_a_done_job(root: Worked) -> None:
    _path(root, layout.end(EXPERIMENT, "a", 2)).unlink()


def _take_the_void_back(root: Worked) -> None:
    _path(root, layout.void(EXPERIMENT, "b", 1)).unlink()


def _claim_after_done(root: Worked) -> None:
    root.attempts("a", root.session(), End.EVICTED, after=2)


def _claim_after_cancelled(root: Worked) -> None:
    root.attempts("c", root.session(), End.RELEASED, after=1)


def _skip_a_number(root: Worked) -> None:
    root.attempts("d", root.session(), End.FAILED, after=3)


def _claim_before_the_end(root: Worked) -> None:
    _path(root, layout.end(EXPERIMENT, "d", 1)).unlink()


def _end_unclaimed(root: Worked) -> None:
    root.end("d", 3, End.RELEASED)


def _evict_a_living_session(root: Worked) -> None:
    (sid,) = (path.stem for path in root.path.glob(f"{layout.SESSIONS}/*.end") if b"evicted" in path.read_bytes())
    _path(root, layout.session_end(sid)).unlink()


def _remove_a_marker(root: Worked) -> None:
    _path(root, layout.done_marker(EXPERIMENT, "a", 2)).unlink()


def _mark_what_failed(root: Worked) -> None:
    root.mark("d", 1)


def _spoil(name: str) -> Callable[[Worked], None]:
    def spoil(root: Worked) -> None:
        _path(root, name).unlink(missing_ok=True)  # other names of the same file stay whole
        root.write(name, b'{"end": "do')

    return spoil


def _stray(root: Worked) -> None:
    _path(root, f"{layout.log_shard(EXPERIMENT, 'a')}/a.0001.end.tmp").touch()


def _plan_more(root: Worked) -> None:
    root.plan("f")


DAMAGE = {
    "a job that nobody tried": (_plan_more, Breach.LOST),
    "a done end that vanished": (_lose_the_end_of_a_done_job, Breach.LOST),
    "two done ends and no void": (_take_the_void_back, Breach.TWICE),
    "a claim after done": (_claim_after_done, Breach.AFTER_DONE),
    "a claim after cancelled": (_claim_after_cancelled, Breach.AFTER_DONE),
    "a gap": (_skip_a_number, Breach.GAP),
    "a claim above an open attempt": (_claim_before_the_end, Breach.UNFENCED),
    "an end without a claim": (_end_unclaimed, Breach.UNCLAIMED),
    "an early eviction": (_evict_a_living_session, Breach.EARLY),
    "other bytes": (_rewrite_weights, Breach.DIFFERS),
    "fewer bytes": (_shorten_weights, Breach.DIFFERS),
    "a missing file": (_remove_weights, Breach.DIFFERS),
    "a file more": (_add_a_file, Breach.UNLISTED),
    "a missing marker": (_remove_a_marker, Breach.UNMARKED),
    "a marker of a failure": (_mark_what_failed, Breach.MISMARKED),
    "half an end": (_spoil(layout.end(EXPERIMENT, "d", 1)), Breach.ILLEGIBLE),
    "half a claim": (_spoil(layout.claim(EXPERIMENT, "d", 1)), Breach.ILLEGIBLE),
    "half a plan": (_spoil(layout.plan_file(EXPERIMENT, 2)), Breach.ILLEGIBLE),
    "an open claim": (_lose_the_end_of_a_done_job, Breach.OPEN),
    "a stray name": (_stray, Breach.STRANGE),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_kind_of_damage_is_found_and_named(root: Worked, damage: str) -> None:
    do, breach = DAMAGE[damage]
    do(root)
    found = audit(root.path)
    assert found.count(breach) == 1, [*render(found)]
    assert not found.is_sound
    assert any(line.startswith(f"1 {breach.value}: ") for line in render(found))


def test_every_breach_is_tried_above() -> None:
    assert {breach for _, breach in DAMAGE.values()} == set(Breach)


def test_an_attempt_evicted_from_a_session_that_had_closed_is_no_breach(root: Worked) -> None:
    closed = root.session()
    root.plan("f")
    root.claim("f", 1, closed)
    root.end_session(closed, "closed")
    root.end("f", 1, End.EVICTED)
    root.finish("f", 2, root.session())
    assert audit(root.path).is_sound


def test_a_result_link_that_shows_an_older_attempt_is_counted_and_no_breach(root: Worked) -> None:
    link = root.path / layout.result_link(EXPERIMENT, "b")
    link.unlink()
    link.symlink_to("0001-other")
    found = audit(root.path)
    assert (found.stale_links, found.is_sound) == (1, True)


def test_as_a_command_it_says_all_of_it_in_json_and_leaves_with_1_for_a_breach(root: Worked) -> None:
    _rewrite_weights(root)
    argv = [sys.executable, "-m", "orchestrator.faults.audit", str(root.path), "--json"]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    told = from_json(json.loads(run.stdout))
    assert told == audit(root.path)
    assert told.count(Breach.DIFFERS) == 1


def test_an_empty_folder_is_sound_and_empty(tmp_path: Path) -> None:
    assert audit(tmp_path) == Audit()
