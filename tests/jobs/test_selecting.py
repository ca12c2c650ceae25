"""Which jobs of a real root are meant, and what is said where none or several may be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import layout
from jobs.errors import InputError
from jobs.records import End
from jobs.selecting import Chosen, Wanted, choose, find_job
from jobs.selector import parse_where
from jobs.snapshot import State
from tests.jobs.registers import Root, spec

CE, FOCAL, LDAM = "ce-s0-11", "focal-s0-22", "focal-s1-33"
CELLS: dict[str, dict[str, Any]] = {
    CE: {"loss": "ce", "seed": 0},
    FOCAL: {"loss": "focal", "loss.gamma": 2, "seed": 0},
    LDAM: {"loss": "focal", "loss.gamma": 1, "seed": 1},
}


@pytest.fixture
def one(tmp_path: Path) -> Root:
    """An experiment with a job that is done, one that failed, and one that waits; their plan names them in order."""
    root = Root(tmp_path, "one")
    root.plan(*(replace(spec(job), cell=cell) for job, cell in CELLS.items()))
    who = root.session()
    root.attempts(CE, who, End.DONE)
    root.mark(CE, 1)
    root.attempts(FOCAL, who, End.FAILED, End.FAILED, End.FAILED)
    return root


def second(root: Root, *jobs: str) -> Root:
    two = Root(root.path, "two")
    two.plan(*jobs)
    return two


def names(chosen: Chosen) -> list[tuple[str, str]]:
    return [(experiment, job.job) for experiment, job in chosen]


def wanted(*texts: str, where: str | None = None, states: str = "", experiment: str | None = None) -> Wanted:
    condition = parse_where(where) if where is not None else None
    return Wanted(texts, condition, frozenset(map(State, states.split())), experiment)


def complaint(root: Path, *texts: str, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        choose(root, wanted(*texts, **more))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (wanted(CE), [CE]),
        (wanted("ce"), [CE]),
        (wanted("focal-s1"), [LDAM]),
        (wanted("one"), [CE, FOCAL, LDAM]),
        (wanted(experiment="one"), [CE, FOCAL, LDAM]),
        (wanted(LDAM, "ce"), [CE, LDAM]),
        (wanted(LDAM, "one"), [CE, FOCAL, LDAM]),
        (wanted(where="loss=focal"), [FOCAL, LDAM]),
        (wanted(where="loss.gamma!=2"), [CE, LDAM]),
        (wanted(states="failed"), [FOCAL]),
        (wanted(states="failed done"), [CE, FOCAL]),
        (wanted("one", where="seed=0", states="failed", experiment="one"), [FOCAL]),
        (wanted(FOCAL, CE, where="loss=ce"), [CE]),
    ],
)
def test_a_job_has_to_meet_all_that_was_said(one: Root, said: Wanted, meant: list[str]) -> None:
    assert [job for _, job in names(choose(one.path, said))] == meant


def test_only_an_experiment_without_conditions_is_meant_as_a_whole(one: Root) -> None:
    second(one, "other-44")
    assert choose(one.path, wanted("one")).whole == {"one"}
    assert choose(one.path, wanted(experiment="two")).whole == {"two"}
    assert choose(one.path, wanted("one", "other")).whole == {"one"}
    assert names(choose(one.path, wanted("one", "other")))[-1] == ("two", "other-44")
    assert choose(one.path, wanted("one", states="done")).whole == frozenset()
    assert choose(one.path, wanted("one", where="seed<9")).whole == frozenset()
    assert choose(one.path, wanted(CE, experiment="one")).whole == frozenset()


def test_conditions_alone_look_through_all_experiments(one: Root) -> None:
    second(one, "other-44", CE)
    chosen = choose(one.path, wanted(states="waiting"))
    assert names(chosen) == [("one", LDAM), ("two", "other-44"), ("two", CE)]
    assert chosen.counts() == {"waiting": 3}
    # A key that only one experiment has is no mistake.
    assert names(choose(one.path, wanted(where="loss=ce"))) == [("one", CE)]


def test_nothing_is_chosen_by_saying_nothing(one: Root) -> None:
    assert complaint(one.path).startswith("nothing is chosen; name a job or an experiment")


def test_a_text_that_is_nothing_names_the_nearest(one: Root) -> None:
    second(one, "other-44")
    assert complaint(one.path, "foc-s0").endswith(f"no job and no experiment 'foc-s0' in {one.path}; "
                                                  f"nearest: {FOCAL}, {LDAM}")  # fmt: skip
    assert complaint(one.path, "twoo").endswith("nearest: two")
    assert complaint(one.path, "zzz").endswith("there are one, two")
    assert complaint(one.path, "two", experiment="one").endswith("there is one")
    assert complaint(one.path, experiment="on") == f"no experiment 'on' in {one.path}; there are one, two"


def test_a_beginning_of_several_ids_names_up_to_five(one: Root) -> None:
    assert complaint(one.path, "focal") == (
        f"'focal' may be any of 2 jobs: {FOCAL}, {LDAM}; give more letters, or the experiment's name for all"
    )
    second(one, *(f"many-{number}" for number in range(7)))
    assert "7 jobs: many-0, many-1, many-2, many-3, many-4, ...;" in complaint(one.path, "many")


def test_an_id_that_is_also_the_beginning_of_another_is_meant_itself(one: Root) -> None:
    second(one, "other", "other-44")
    assert names(choose(one.path, wanted("other"))) == [("two", "other")]


def test_an_id_of_two_experiments_asks_for_one_of_them(one: Root) -> None:
    second(one, CE)
    assert complaint(one.path, CE) == f"{CE} is in one and two; say which: -e one"
    assert complaint(one.path, "ce") == f"{CE} is in one and two; say which: -e one"
    assert names(choose(one.path, wanted(CE, experiment="two"))) == [("two", CE)]


def test_a_key_that_no_job_has_names_the_nearest(one: Root) -> None:
    assert complaint(one.path, where="los=ce") == "--where: no job has a key 'los'; nearest: loss"
    assert complaint(one.path, where="loss=ce and zz=1").endswith("there are loss, loss.gamma, seed")
    # One that others have than those that are left to look at is none.
    assert complaint(one.path, CE, where="loss.gamma=2") == (
        "no job meets all of that; one: done 1, waiting 1, failed 1"
    )


def test_a_state_that_no_job_is_in_says_which_there_are(one: Root) -> None:
    assert complaint(one.path, states="silent") == ("no job meets all of that; one: done 1, waiting 1, failed 1")


def test_a_root_without_a_plan_says_how_to_begin(tmp_path: Path) -> None:
    assert complaint(tmp_path, "one") == (
        f"nothing is planned in {tmp_path}; start with orch plan, or name another root (--root)"
    )


def test_a_plan_that_cannot_be_read_is_not_gone_by(one: Root) -> None:
    two = second(one, "other-44")
    two.write(layout.plan_file("two", 2), b'other-45\t{"schema": 2}\n')
    for texts in (("two",), (CE,), ("other-44",)):
        assert "schema" in complaint(one.path, *texts)
    assert complaint(one.path, CE).endswith("or leave it out: -e EXPERIMENT")
    assert names(choose(one.path, wanted(CE, experiment="one"))) == [("one", CE)]
    with pytest.raises(InputError, match="schema"):
        find_job(one.path, "other-44")


def test_one_job_is_found_by_its_id_or_a_unique_beginning(one: Root) -> None:
    second(one, "other-44", CE)
    assert find_job(one.path, "other") == ("two", "other-44")
    assert find_job(one.path, FOCAL) == ("one", FOCAL)
    assert find_job(one.path, CE, "two") == ("two", CE)
    for text, said in {
        "focal": "may be any of 2 jobs",
        CE: "is in one and two; say which: -e one",
        "one": f"'one' is an experiment, not a job; its jobs are {CE}, {FOCAL}, {LDAM}",
        "nothing": "no job and no experiment 'nothing'",
        "": "no job and no experiment ''",
    }.items():
        with pytest.raises(InputError) as caught:
            find_job(one.path, text)
        assert said in str(caught.value)
