"""Drive an operation by hand: scripted replies in, its requests and its result out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobs.store import Finished, Operation, Reply, Request


def play(operation: Operation[Any], replies: Iterable[Reply]) -> tuple[list[Request], Any]:
    """All requests of an operation and its result; it must end exactly when the replies do."""
    requests: list[Request] = []
    outcome = operation.step(None)
    for reply in replies:
        assert not isinstance(outcome, Finished), f"over after {requests}, yet {reply!r} was to come"
        operation, request = outcome
        requests.append(request)
        outcome = operation.step(reply)
    assert isinstance(outcome, Finished), f"not over after {requests}: {outcome}"
    return requests, outcome.result
