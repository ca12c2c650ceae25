"""What must hold of every folder that can be reached, whoever made it so."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from jobs import claims, layout
from jobs.records import End
from tests.jobs.checker.files import Files
from tests.jobs.checker.shape import EXPERIMENT
from tests.jobs.checker.workers import MAX_ATTEMPTS

_FINAL = {End.DONE, End.CANCELLED}


@dataclass(frozen=True)
class Story:
    """One job as its registers tell it: numbers from 1.

    Attributes:
        owners: attempt -> the session that claimed it.
        ends: attempt -> how it ended.
        voids, marked: attempts.
    """

    owners: dict[int, str]
    ends: dict[int, End]
    voids: list[int]
    marked: dict[int, int]

    @property
    def top(self) -> int:
        return max(*self.owners, *self.ends, 0, 0)

    def newest_void(self, attempt: int) -> int:
        """The newest void when that attempt was claimed; of its own end, if it was cancelled before anybody had it.

        A void that came after the claim is no excuse: the state before it was looked at too.
        """
        return max((void for void in self.voids if void <= attempt), default=0)

    def counted(self, below: int) -> list[End]:
        """Ends that count against the budgets when attempt `below` is claimed."""
        void = self.newest_void(below)
        return [kind for number, kind in self.ends.items() if void < number < below]


class Promises:
    """Checks folders."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.places = {job: self._places(job) for job in files.shape.job_ids}

    def _places(self, job: str) -> list[tuple[int, int, int, int]]:
        kinds = (layout.claim, layout.end, layout.void, layout.done_marker)
        return [
            tuple(self.files.place[kind(EXPERIMENT, job, number)] for kind in kinds)  # type: ignore[misc]
            for number in range(1, self.files.attempts + 1)
        ]

    def story(self, folder: bytes, job: str) -> Story:
        story = Story({}, {}, [], {})
        for number, (claim, end, void, marker) in enumerate(self.places[job], 1):
            if folder[claim]:
                story.owners[number] = self.files.owner(folder[claim])
            if kind := self.files.kind(folder[end]):
                story.ends[number] = kind
            if folder[void]:
                story.voids.append(number)
            if folder[marker]:
                story.marked[number] = folder[marker]
        return story

    def broken(self, folder: bytes) -> str:
        """The promise that this folder breaks; empty: none."""
        return next((text for job in self.places for text in self._broken(folder, job)), "")

    def _broken(self, folder: bytes, job: str) -> Iterator[str]:
        story = self.story(folder, job)
        if sorted(story.owners) != list(range(1, len(story.owners) + 1)):
            yield f"{job}: the claims {sorted(story.owners)} have a gap"
        for number in story.owners:
            yield from self._broken_claim(job, story, number)
        done = sorted(number for number, kind in story.ends.items() if kind is End.DONE)
        for one, two in itertools.pairwise(done):
            if not any(one <= void < two for void in story.voids):
                yield f"{job}: {one} and {two} are both done, with no void between"
        for number, marker in story.marked.items():
            if story.ends.get(number) is not End.DONE or marker != folder[self.places[job][number - 1][1]]:
                yield f"{job}.{number:04d} is marked and not done"
        yield from (f"{job}: a void for {void}, which has no end" for void in story.voids if void not in story.ends)

    def _broken_claim(self, job: str, story: Story, number: int) -> Iterator[str]:
        if number > 1 and number - 1 not in story.ends:
            yield f"{job}.{number:04d} was claimed before {number - 1} had ended"
        newest = story.newest_void(number)
        for below, kind in story.ends.items():
            if newest < below < number and kind in _FINAL | {End.NAN}:
                yield f"{job}.{number:04d} was claimed after {below} was {kind}"
        if spent := spent_budget(story.counted(number)):
            yield f"{job}.{number:04d} was claimed though {spent}"

    def is_final(self, folder: bytes) -> bool:
        """Whether every job is done (and marked), cancelled or failed for good."""
        return all(self._is_final(self.story(folder, job)) for job in self.places)

    def _is_final(self, story: Story) -> bool:
        top = story.top
        if top not in story.ends:
            return False
        if top in story.voids:
            return False
        if story.ends[top] is End.DONE:
            return top in story.marked
        if story.ends[top] in _FINAL | {End.NAN}:
            return True
        return bool(spent_budget(story.counted(top + 1)))


def spent_budget(counted: list[End]) -> str:
    """Which bound ends have reached; empty: none."""
    if sum(kind in {End.FAILED, End.OOM} for kind in counted) >= MAX_ATTEMPTS:
        return "its failures are spent"
    if counted.count(End.EVICTED) >= claims.MAX_EVICTED:
        return "its evictions are spent"
    interrupted = sum(kind in {End.PREEMPTED, End.RELEASED} for kind in counted)
    return "its interruptions are spent" if interrupted >= claims.MAX_INTERRUPTED else ""
