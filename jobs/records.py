"""What registers hold: small JSON objects, and the kinds of ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class End(StrEnum):
    """How an attempt ended, or (closed, evicted) a session."""

    DONE = "done"
    FAILED = "failed"
    OOM = "oom"
    NAN = "nan"
    PREEMPTED = "preempted"
    RELEASED = "released"
    CANCELLED = "cancelled"
    EVICTED = "evicted"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Claimer:
    """Who claimed: the content of a claim ticket.

    Attributes:
        sid: 16 hex digits, the session.
        boot: boot id of the host's kernel; pidns: its pid namespace; start: the process's start time in ticks.
        lease_seconds: how long the session may be silent.
    """

    sid: str
    host: str
    boot: str
    pidns: str
    pid: int
    start: int
    lease_seconds: float

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def decode_claimer(data: bytes) -> Claimer:
    """Raises ValueError when `data` is no claim ticket."""
    try:
        return Claimer(**json.loads(data))
    except TypeError as error:
        raise ValueError(f"not a claim ticket: {data[:80]!r}") from error


@dataclass(frozen=True, slots=True)
class EndRecord:
    """How an attempt ended: `kind`, and what else was written with it (`sid`, `nonce`, `error`, `files`, `summary`)."""

    kind: End
    body: Mapping[str, Any]

    def encode(self) -> bytes:
        return json.dumps({"end": self.kind.value, **self.body}, separators=(",", ":")).encode() + b"\n"


def decode_end(data: bytes) -> EndRecord:
    """Raises ValueError when `data` is no end record."""
    body = json.loads(data)
    if not isinstance(body, dict) or "end" not in body:
        raise ValueError(f"not an end record: {data[:80]!r}")
    return EndRecord(End(body.pop("end")), body)


def encode_void(*, fresh: bool) -> bytes:
    return json.dumps({"void": True, "fresh": fresh}).encode() + b"\n"


def is_fresh_void(data: bytes) -> bool:
    """Whether a void forbids resuming from what came before it; one that cannot be read does."""
    try:
        body = json.loads(data)
    except ValueError:
        return True
    return not isinstance(body, dict) or body.get("fresh") is not False
