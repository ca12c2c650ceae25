from __future__ import annotations

from pathlib import Path

import pytest

from jobs.spec import call_target
from tests.jobs.grid.planning import plan, refusal, the_job

BENCH = """
    name: queue-bench
    kind: call
    target: queue_job:run_job
    params:
      out: /scratch/a b
      sleep: 0.0
    params.i: [{values}]
"""


def test_a_thousand_values_are_a_thousand_calls(tmp_path: Path) -> None:
    jobs = plan(tmp_path, BENCH.format(values=", ".join(map(str, range(1000)))))
    assert len({job.id for job in jobs}) == 1000
    assert call_target(jobs[7]) == ("queue_job:run_job", {"out": "/scratch/a b", "sleep": 0.0, "i": 7})
    assert jobs[7].cell == {"params.i": 7}


def test_an_argument_may_be_any_json_value(tmp_path: Path) -> None:
    text = "kind: call\ntarget: a.b:C.run\nparams: {l: [1, [2]], m: {x: null}}\nparams.o: [{name: sgd, lr: 1}, 3]"
    one, two = plan(tmp_path, text)
    assert call_target(one) == ("a.b:C.run", {"l": [1, [2]], "m": {"x": None}, "o": {"name": "sgd", "lr": 1}})
    assert (one.cell, two.cell) == ({"params.o": "sgd"}, {"params.o": 3})


def test_axis_or_fixed_and_the_order_of_keys_make_no_difference(tmp_path: Path) -> None:
    texts = (
        "params: {i: 1, j: 2}",
        "params: {j: 2}\nparams.i: [1]",
        "params.j: 2\nparams.i: 1",
        "params: [{j: 2, i: 1}]",
    )
    assert len({the_job(tmp_path, f"kind: call\ntarget: a:b\n{text}").id for text in texts}) == 1


def test_numbers_of_another_type_are_other_arguments(tmp_path: Path) -> None:
    jobs = plan(tmp_path, "kind: call\ntarget: a:b\nparams.x: [1, 1.0, true, '1']")
    assert len(jobs) == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("params: {a: 1}", "g.yaml: kind call needs a target; write target: module:function"),
        ("target: run", "g.yaml:2: target is 'run'; write target: module:function"),
        ("target: 'a:b()'", "g.yaml:2: target is 'a:b()'"),
        ("target: 'os.path:../x'", "g.yaml:2: target is"),
        ("target: a:b\nseed: [1]", "g.yaml:3: unknown key 'seed'; use params.seed"),
        ("target: a:b\nparams.x.y: [1]", "g.yaml:3: 'params.x.y' cannot be a keyword argument"),
        ("target: a:b\nparams: 3", "g.yaml:3: params is 3; it must be a mapping"),
        (
            "target: a:b\nparams: {x: 1}\nparams.x: [1]",
            "g.yaml:4: 'params.x' says again what 'params' says at g.yaml:3",
        ),
        ("target: a:b\nargv: [ls]", "g.yaml:3: a call job has no argv"),
    ],
)
def test_a_wrong_call_grid_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert refusal(tmp_path, f"kind: call\n{text}").startswith(line)
