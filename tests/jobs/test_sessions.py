from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import layout
from jobs.records import Claimer, End, EndRecord, decode_claimer, decode_end
from jobs.sessions import (
    Close,
    Closing,
    LookAtOwn,
    Looked,
    Sighting,
    Standing,
    Watch,
    Watched,
    encode_note,
    poll_seconds,
    sighted,
    sign,
    silent_seconds,
    tickets,
)
from jobs.store import ABSENT, Failed, FolderStore, Look, Make, Put, Read, Reply, Stamp, Unlink, Won, carry_out
from tests.jobs.scripts import play

POLL = 1.0
OWNER = Claimer("other", "host", "boot", "ns", 1, 1, 10.0)
END, LEASE = layout.session_end("other"), layout.lease("other")
FAILED_TO_ASK = Failed("server away")


def stamp(at: float, *, took: float = 0.0, **changed: int) -> Stamp:
    """A lease as a look answered at `at` has seen it."""
    seen = Stamp(inode=1, mtime_ns=5, ctime_ns=6, links=1, asked=at - took, answered=at)
    return replace(seen, **changed)


def after(*stamps: Stamp, poll: float = POLL) -> Sighting:
    sighting = Sighting()
    for seen in stamps:
        sighting = sighted(sighting, seen, poll)
    return sighting


# --- tickets --------------------------------------------------------------------------------------------------------


def test_tickets_say_who_ends_what(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    paths, makes = tickets(OWNER)
    assert [store.answer(make) for make in makes] == [None] * 4
    assert decode_claimer((tmp_path / paths.claim).read_bytes()) == OWNER
    kinds = [decode_end((tmp_path / path).read_bytes()).kind for path in (paths.released, paths.evicted, paths.closed)]
    assert kinds == [End.RELEASED, End.EVICTED, End.CLOSED]


def test_a_further_set_of_tickets_has_names_of_its_own() -> None:
    first, second = tickets(OWNER)[0], tickets(OWNER, roll=1)[0]
    names = [
        *(getattr(first, field) for field in first.__slots__),
        *(getattr(second, field) for field in first.__slots__),
    ]
    assert len(set(names)) == 8
    assert all(name.startswith(f"{layout.TMP}/other.") for name in names)


# --- closing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "closing"),
    [
        (Won.MINE, Closing.CLOSED),
        (Won.THEIRS, Closing.CLOSED),
        (Won.UNKNOWN, Closing.UNKNOWN),
        (Won.GONE, Closing.UNKNOWN),
        (FAILED_TO_ASK, Closing.UNKNOWN),
    ],
)
def test_a_session_is_closed_only_where_an_end_surely_stands(reply: Reply, closing: Closing) -> None:
    requests, result = play(Close("other", "my/closed"), [reply])
    assert requests == [Put("my/closed", END)]
    assert result is closing


@pytest.mark.parametrize(
    ("reply", "standing"),
    [
        (ABSENT, Standing.GOOD),
        (EndRecord(End.EVICTED, {}).encode(), Standing.LOST),
        (b"", Standing.LOST),
        (FAILED_TO_ASK, Standing.UNSEEN),
    ],
)
def test_what_a_worker_finds_of_its_own_session(reply: Reply, standing: Standing) -> None:
    requests, result = play(LookAtOwn("other"), [stamp(100), reply])
    assert requests == [Look(layout.SESSIONS), Read(END)]
    assert result is standing


def test_a_sessions_folder_that_cannot_be_asked_tells_nothing_of_ones_own() -> None:
    requests, result = play(LookAtOwn("other"), [Failed("server away")])
    assert requests == [Look(layout.SESSIONS)]
    assert result is Standing.UNSEEN


# --- counting silence -----------------------------------------------------------------------------------------------


def test_a_lease_that_stands_still_is_counted_from_look_to_look() -> None:
    assert silent_seconds(after(stamp(100))) == 0
    assert silent_seconds(after(stamp(100), stamp(101), stamp(102.5))) == 2.5


@pytest.mark.parametrize("change", [{"inode": 2}, {"mtime_ns": 6}, {"mtime_ns": 4}, {"ctime_ns": 7}])
def test_any_change_is_a_sign_of_life(change: dict[str, int]) -> None:
    changed = after(stamp(100), stamp(101), stamp(102, **change))
    assert silent_seconds(changed) == 0
    assert silent_seconds(sighted(changed, stamp(103, **change), POLL)) == 1


def test_a_ticket_in_the_place_of_a_lease_shows_no_life_by_its_change_time() -> None:
    looks = [stamp(100 + second, ctime_ns=second, links=2 + second) for second in range(4)]
    assert silent_seconds(after(*looks)) == 3
    assert sign(looks[0]) == sign(looks[3])
    moved = stamp(104, mtime_ns=9, links=7)
    assert silent_seconds(after(*looks, moved)) == 0


@pytest.mark.parametrize(("seconds", "is_gap"), [(2.5, False), (2.51, True), (1000.0, True)])
def test_a_gap_between_looks_restarts_the_count_for_the_watcher_may_have_been_frozen(
    seconds: float,
    is_gap: bool,
) -> None:
    seen = after(stamp(100), stamp(102), stamp(102 + seconds))
    assert silent_seconds(seen) == (0 if is_gap else 2 + seconds)


def test_a_look_that_took_long_restarts_the_count() -> None:
    assert silent_seconds(after(stamp(100), stamp(102), stamp(104.2, took=2.4))) > 4
    assert silent_seconds(after(stamp(100), stamp(102), stamp(104.4, took=2.6))) == 0


def test_the_gap_is_measured_in_the_watchers_own_polls() -> None:
    looks = [stamp(100), stamp(120), stamp(140)]
    assert silent_seconds(after(*looks)) == 0
    assert silent_seconds(after(*looks, poll=8)) == 40


@given(st.lists(st.floats(0, 5), min_size=1, max_size=30), st.lists(st.booleans(), min_size=30, max_size=30))
def test_silence_is_the_time_between_good_looks_since_the_last_change_or_gap(
    steps: list[float], beats: list[bool]
) -> None:
    now, mtime, quiet_since = 0.0, 0, 0.0
    sighting = Sighting()
    for step, beat in zip(steps, beats, strict=False):
        before, now = now, now + step
        mtime += beat
        if sighting.stamp is None or beat or now - before > 2.5 * POLL:
            quiet_since = now
        sighting = sighted(sighting, stamp(now, mtime_ns=mtime), POLL)
        assert silent_seconds(sighting) == pytest.approx(now - quiet_since)


@pytest.mark.parametrize(
    ("lease", "sessions", "seconds"),
    [(90, 1, 9), (90, 64, 9), (90, 65, 18), (90, 1000, 144), (2, 1, 1), (0.5, 3, 1), (90, 0, 9)],
)
def test_how_often_to_look(lease: float, sessions: int, seconds: float) -> None:
    assert poll_seconds(lease, sessions) == seconds


# --- the watch ------------------------------------------------------------------------------------------------------


def watch(sighting: Sighting | None = None, *, is_gone: bool = False) -> Watch:
    return Watch(OWNER, "my/evicted", sighting or Sighting(), POLL, is_gone)


NINE_SECONDS = after(*(stamp(100 + second) for second in range(10)))


def test_a_lease_that_beats_is_left_alone() -> None:
    requests, result = play(watch(NINE_SECONDS), [ABSENT, stamp(110, mtime_ns=9)])
    assert requests == [Read(END), Look(LEASE)]
    assert result == Looked(Sighting(stamp(110, mtime_ns=9), 110, 110), Watched.ALIVE)


def test_a_lease_is_over_at_the_time_that_its_owner_recorded_and_not_before() -> None:
    assert silent_seconds(NINE_SECONDS) == 9
    _, result = play(watch(NINE_SECONDS), [ABSENT, stamp(109.99)])
    assert result.outcome is Watched.ALIVE
    requests, result = play(watch(NINE_SECONDS), [ABSENT, stamp(110), Won.MINE, None])
    assert requests[2:] == [Put("my/evicted", END), Unlink(LEASE)]
    assert result.outcome is Watched.ENDED
    patient = replace(watch(NINE_SECONDS), owner=replace(OWNER, lease_seconds=11))
    assert play(patient, [ABSENT, stamp(110)])[1].outcome is Watched.ALIVE


@pytest.mark.parametrize(("reply", "outcome"), [(Won.THEIRS, Watched.ENDED), (Won.UNKNOWN, Watched.ALIVE)])
def test_the_lease_file_goes_only_after_the_end_stands(reply: Reply, outcome: Watched) -> None:
    replies: list[Reply] = [ABSENT, stamp(110), reply]
    requests, result = play(watch(NINE_SECONDS), replies + ([None] if outcome is Watched.ENDED else []))
    assert (Unlink(LEASE) in requests) is (outcome is Watched.ENDED)
    assert result.outcome is outcome


def test_who_meets_an_ended_session_unlinks_its_lease() -> None:
    requests, result = play(watch(), [EndRecord(End.CLOSED, {}).encode(), None])
    assert requests == [Read(END), Unlink(LEASE)]
    assert result.outcome is Watched.ENDED


def test_a_look_that_failed_restarts_the_count() -> None:
    _, result = play(watch(NINE_SECONDS), [FAILED_TO_ASK, FAILED_TO_ASK])
    assert result == Looked(Sighting(), Watched.ALIVE)
    _, result = play(watch(result.sighting), [ABSENT, stamp(110)])
    assert result.outcome is Watched.ALIVE


def test_a_lease_that_does_not_show_is_a_question_that_only_a_put_answers() -> None:
    requests, result = play(watch(), [ABSENT, ABSENT, Won.MINE, Won.MINE, None])
    assert requests == [Read(END), Look(LEASE), Put("my/evicted", LEASE), Put("my/evicted", END), Unlink(LEASE)]
    assert result.outcome is Watched.ENDED


@pytest.mark.parametrize("reply", [Won.THEIRS, Won.UNKNOWN, Won.GONE])
def test_a_lease_that_stands_after_all_is_watched_on(reply: Won) -> None:
    requests, result = play(watch(NINE_SECONDS), [ABSENT, ABSENT, reply])
    assert requests[2:] == [Put("my/evicted", LEASE)]
    assert result == Looked(NINE_SECONDS, Watched.ALIVE)


def test_a_process_that_is_gone_is_evicted_at_once() -> None:
    requests, result = play(watch(is_gone=True), [ABSENT, Won.MINE, None])
    assert requests == [Read(END), Put("my/evicted", END), Unlink(LEASE)]
    assert result.outcome is Watched.ENDED


# --- over a real folder ---------------------------------------------------------------------------------------------


def test_a_vanished_lease_ends_its_session_on_a_real_folder(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    mine, makes = tickets(replace(OWNER, sid="me"))
    for make in makes:
        store.answer(make)
    looked: Looked = carry_out(Watch(OWNER, mine.evicted, Sighting(), POLL), store)
    assert looked.outcome is Watched.ENDED
    assert decode_end((tmp_path / END).read_bytes()).kind is End.EVICTED
    assert not (tmp_path / LEASE).exists()


def test_a_standing_lease_is_counted_by_the_watchers_clock_whatever_its_own_times_say(tmp_path: Path) -> None:
    ticks = iter(range(1000))
    store = FolderStore(tmp_path, clock=lambda: next(ticks) / 2)
    mine, makes = tickets(replace(OWNER, sid="me"))
    for make in [*makes, Make(LEASE, b"")]:
        store.answer(make)
    os.utime(tmp_path / LEASE, (4e9, 4e9))
    sighting, looks, outcome = Sighting(), 0, Watched.ALIVE
    while outcome is Watched.ALIVE:
        looked: Looked = carry_out(Watch(OWNER, mine.evicted, sighting, POLL), store)
        sighting, outcome, looks = looked.sighting, looked.outcome, looks + 1
    assert looks == 11  # one a second; the first begins the count, the eleventh completes ten seconds
    assert not (tmp_path / LEASE).exists()


def test_a_note_is_one_line_of_json() -> None:
    note = {"session": "ab", "jobs": [{"job": "x\ny"}]}
    assert json.loads(encode_note(note)) == note
    assert encode_note(note).count(b"\n") == 1
