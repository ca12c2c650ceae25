from __future__ import annotations

import pytest

from jobs.records import Claimer, End, EndRecord, decode_claimer, decode_end, encode_void, is_fresh_void

CLAIMER = Claimer("0123456789abcdef", "host", "boot", "pid:[1]", 7, 1234, 90.0)


def test_a_claim_ticket_is_read_back() -> None:
    assert decode_claimer(CLAIMER.encode()) == CLAIMER


@pytest.mark.parametrize("kind", End)
def test_an_end_is_read_back_with_what_was_written_beside_it(kind: End) -> None:
    record = EndRecord(kind, {"sid": "ab", "error": "line\nbreak \u00fc", "summary": {"loss": 0.5}})
    assert decode_end(record.encode()) == record
    assert record.encode().count(b"\n") == 1


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b"null", b"{}", b'{"end": "won"}', b"\xff\xfe"])
def test_what_is_no_record_is_refused_by_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_end(data)
    with pytest.raises(ValueError, match=r".+"):
        decode_claimer(data)


def test_a_void_says_whether_what_came_before_may_be_resumed() -> None:
    assert is_fresh_void(encode_void(fresh=True))
    assert not is_fresh_void(encode_void(fresh=False))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"{}"])
def test_a_void_that_cannot_be_read_counts_as_fresh(data: bytes) -> None:
    assert is_fresh_void(data)
