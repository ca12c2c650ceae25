"""Which jobs of a root a person means: by id, unique prefix, experiment, condition and state."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

from jobs import layout
from jobs.errors import InputError
from jobs.plan import PlanIndex, experiments, read_plan_index
from jobs.selector import Where
from jobs.snapshot import ExperimentState, JobState, State, snapshot
from jobs.store import FolderStore

MOST_NAMES: Final = 5  # that an error line may list
_LEAST_COMMON: Final = 3  # letters that an id shares with what was typed, to be worth naming


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for; a job has to meet all of it.

    Attributes:
        texts: ids, unique prefixes of ids, or names of experiments; any of them; none: no matter which.
        where: on the job's cell.
        states: one of these; none: no matter which.
        experiment: the only one to look at.
    """

    texts: tuple[str, ...] = ()
    where: Where | None = None
    states: frozenset[State] = frozenset()
    experiment: str | None = None

    @property
    def is_conditional(self) -> bool:
        return self.where is not None or bool(self.states)


class JobName(NamedTuple):
    """A job of a root: the same id may stand in two experiments."""

    experiment: str
    job: str


@dataclass(frozen=True)
class Chosen:
    """The jobs that were meant, in plan order.

    Attributes:
        jobs: by experiment.
        whole: experiments that were meant as such, so with the jobs that are planned later.
        plans: of the experiments.
    """

    jobs: dict[str, list[JobState]] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    plans: dict[str, PlanIndex] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.jobs.values()))

    def __iter__(self) -> Iterator[tuple[str, JobState]]:
        for experiment, jobs in self.jobs.items():
            for job in jobs:
                yield experiment, job

    def counts(self) -> dict[str, int]:
        """Jobs by state, those that there are."""
        counts = dict.fromkeys(State, 0)
        for _, job in self:
            counts[job.state] += 1
        return {state.value: count for state, count in counts.items() if count}


def choose(root: Path, wanted: Wanted) -> Chosen:
    """The jobs that are meant.

    Raises:
        InputError: none is; a text may mean several; no job has a key of the condition; a plan cannot be read.
    """
    if wanted == Wanted():
        raise InputError("nothing is chosen", "name a job or an experiment, or say --where, --state or -e")
    there = find_experiments(root, wanted.experiment)
    named = {text for text in wanted.texts if text in there}
    others = [text for text in wanted.texts if text not in named]
    is_anywhere = bool(others) or not wanted.texts
    seen = _look(root, there if is_anywhere else [name for name in there if name in named])
    for state in seen:
        raise_if_unread(state.index, "or leave it out: -e EXPERIMENT" if len(seen) > 1 else "")
    jobs = _resolved(root, others, {state.name: [job.job for job in state.jobs] for state in seen})

    def is_meant(state: ExperimentState, job: JobState) -> bool:
        is_named = not wanted.texts or state.name in named or (state.name, job.job) in jobs
        return is_named and (not wanted.states or job.state in wanted.states)

    picked = {state.name: [job for job in state.jobs if is_meant(state, job)] for state in seen}
    if wanted.where is not None:
        picked = _meeting(wanted.where, seen, picked)
    whole = named if wanted.texts else set(there) if wanted.experiment else set()
    chosen = Chosen(
        {name: found for name, found in picked.items() if found},
        frozenset() if wanted.is_conditional else frozenset(whole),
        {state.name: state.index for state in seen},
    )
    if not chosen.jobs and not chosen.whole:
        raise InputError("no job meets all of that", _what_there_is(seen))
    return chosen


def find_job(root: Path, text: str, experiment: str | None = None) -> JobName:
    """The one job that an id, or a unique prefix of one, stands for.

    Raises:
        InputError: no job, or more than one.
    """
    there = find_experiments(root, experiment)
    indexes = {name: read_index(root, name) for name in there}
    for index in indexes.values():
        raise_if_unread(index, "or leave it out: -e EXPERIMENT" if len(indexes) > 1 else "")
    ids = {name: index.order for name, index in indexes.items()}
    if text in there and not any(_starting(text, ids)):
        raise InputError(f"{text!r} is an experiment, not a job", f"its jobs are {_listed(ids[text])}")
    (job,) = _resolved(root, [text], ids)
    return job


def find_experiments(root: Path, only: str | None = None) -> list[str]:
    """The experiments of a root, or the one of that name.

    Raises:
        InputError: there is none, or none of that name.
    """
    there = experiments(root)
    if not there:
        raise InputError(f"nothing is planned in {root}", "start with orch plan, or name another root (--root)")
    if only is not None and only not in there:
        raise InputError(f"no experiment {only!r} in {root}", f"there {_are(there, only)}")
    return there if only is None else [only]


def read_index(root: Path, experiment: str) -> PlanIndex:
    """The plan of an experiment."""
    index = PlanIndex()
    read_plan_index(FolderStore(root), experiment, index)
    return index


def raise_if_unread(index: PlanIndex, otherwise: str = "") -> None:
    """Refuse to go by a plan of which a part could not be understood.

    Raises:
        InputError: so it is.
    """
    if index.problem:
        raise InputError(index.problem, ", ".join(filter(None, (index.remedy, otherwise))))


def _look(root: Path, names: Sequence[str]) -> list[ExperimentState]:
    return [state for name in names for state in snapshot(root, only=name).experiments]


def _what_there_is(seen: Sequence[ExperimentState]) -> str:
    counts = Chosen({state.name: state.jobs for state in seen}).counts()
    states = ", ".join(f"{state} {count}" for state, count in counts.items())
    return f"{', '.join(state.name for state in seen)}: {states or 'no jobs'}"


def _meeting(
    where: Where, seen: Sequence[ExperimentState], picked: Mapping[str, list[JobState]]
) -> dict[str, list[JobState]]:
    """Those of the jobs picked that meet a condition.

    Raises:
        InputError: a key of it is one of no job, not even of those that were not picked.
    """
    unknown, known = set(where.keys()), set[str]()
    meeting: dict[str, list[JobState]] = {}
    for state in seen:
        meeting[state.name] = []
        for job in picked[state.name]:
            cell = state.index.spec(job.job).cell
            unknown -= cell.keys()
            if where.matches(cell):
                meeting[state.name].append(job)
    if unknown:
        for state in seen:
            for job in state.jobs:
                known |= state.index.spec(job.job).cell.keys()
    if unknown - known:
        key = min(unknown - known)
        raise InputError(f"--where: no job has a key {key!r}", _keys(key, sorted(known)))
    return meeting


def _keys(key: str, known: Sequence[str]) -> str:
    near = _nearest_names(key, known)
    return f"nearest: {', '.join(near)}" if near else f"there {_are(known, key)}" if known else "the cells are empty"


# --- ids ------------------------------------------------------------------------------------------------------------


def _resolved(root: Path, texts: Iterable[str], ids: Mapping[str, Collection[str]]) -> set[JobName]:
    """The job that each text stands for.

    Args:
        root: for what is said of it.
        texts: ids, or beginnings of ids.
        ids: of each experiment.

    Raises:
        InputError: a text stands for none, or for more than one.
    """
    known = {name: set(those) for name, those in ids.items()}
    found = set()
    for text in texts:
        jobs = [JobName(name, text) for name, those in known.items() if text in those] or list(_starting(text, ids))
        if not jobs:
            raise InputError(f"no job and no experiment {text!r} in {root}", _nearest(text, ids))
        if len(jobs) > 1:
            raise InputError(*_ambiguous(text, jobs))
        found.update(jobs)
    return found


def _starting(text: str, ids: Mapping[str, Iterable[str]]) -> Iterator[JobName]:
    if text:
        yield from (JobName(name, job) for name, those in ids.items() for job in those if job.startswith(text))


def _ambiguous(text: str, jobs: list[JobName]) -> tuple[str, str]:
    if len({job.job for job in jobs}) == 1:
        names = " and ".join(job.experiment for job in jobs)
        return f"{jobs[0].job} is in {names}", f"say which: -e {jobs[0].experiment}"
    shown = _listed([job.job for job in jobs])
    return f"{text!r} may be any of {len(jobs)} jobs: {shown}", "give more letters, or the experiment's name for all"


def _nearest(text: str, ids: Mapping[str, Collection[str]]) -> str:
    """What may have been meant: experiments of a name like it, and the ids that begin most like it."""
    start, alike = text[: layout.MAX_JOB_ID], list[JobName]()
    while len(start) >= _LEAST_COMMON and not alike:
        alike, start = list(_starting(start, ids)), start[:-1]
    names = _nearest_names(text, ids) + [job.job for job in alike]
    return f"nearest: {_listed(names)}" if names else f"there {_are(list(ids), text)}"


def _nearest_names(word: str, names: Iterable[str]) -> list[str]:
    by_lower = {name.lower(): name for name in names}
    return [by_lower[found] for found in get_close_matches(word.lower(), by_lower)]


def _are(names: Sequence[str], word: str) -> str:
    near = _nearest_names(word, names)
    return ("is " if len(names) == 1 else "are ") + _listed(near + [name for name in names if name not in near])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
