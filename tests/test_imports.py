"""Which floor may import which, and what a command that should be quick must never load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "torchvision", "pandas", "matplotlib", "pydantic", "numpy", "scipy", "sklearn"}
# What jobs may know of trainers: names, and the fingerprint of a data set. Neither loads torch.
SHARED = {"trainers.catalogue", "trainers.data.fingerprint"}


def imports(folder: str, *, lazy: bool = True) -> Iterator[tuple[str, str]]:
    """(file, module) of every import under a folder; `lazy`: those inside functions too."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree) if lazy else tree.body:
            for module in _modules(node):
                yield path.relative_to(ROOT).as_posix(), module


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        # `from trainers import catalogue` names a module too; a function gives a harmless `trainers.data.x.f`.
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _is_within(module: str, parent: str) -> bool:
    return module == parent or module.startswith(f"{parent}.")


@pytest.mark.parametrize(
    ("floor", "above"), [("trainers", ("jobs", "orchestrator")), ("jobs", ("orchestrator", "torch", "torchvision"))]
)
def test_no_floor_imports_one_above_it(floor: str, above: tuple[str, ...]) -> None:
    wrong = [(file, module) for file, module in imports(floor) for one in above if _is_within(module, one)]
    assert wrong == []


def test_jobs_know_nothing_of_trainers_but_names_and_fingerprints() -> None:
    found = {(file, module) for file, module in imports("jobs") if _is_within(module, "trainers")}
    assert found
    assert {one for one in found if not any(_is_within(one[1], shared) for shared in SHARED)} == set()


def test_only_the_plan_side_knows_pydantic() -> None:
    files = {file for floor in ("jobs", "orchestrator", "trainers") for file, module in imports(floor)
             if _is_within(module, "pydantic")}  # fmt: skip
    assert files
    assert {file for file in files if not file.startswith("jobs/grid")} == set()


def test_only_figures_and_reports_know_matplotlib_and_pandas() -> None:
    files = {file for floor in ("jobs", "orchestrator", "trainers") for file, module in imports(floor)
             if _is_within(module, "matplotlib") or _is_within(module, "pandas")}  # fmt: skip
    assert {file for file in files if not file.startswith(("orchestrator/report/", "trainers/figures/"))} == set()


@pytest.mark.parametrize("module", sorted(SHARED | {"trainers", "trainers.run", "jobs.snapshot", "orchestrator.cli"}))
def test_what_must_be_quick_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    assert _python(code) == ""


def test_losses_and_backbones_load_torch_only_when_they_are_built() -> None:
    code = """
import sys
from trainers import build_backbone, build_loss
assert "torch" not in sys.modules
try:
    build_loss("no-such-loss", num_classes=10)
except ValueError as error:
    assert "no-such-loss" in str(error)
loss = build_loss("focal", num_classes=3, class_counts=[3, 2, 1], gamma=2.0)
import torch
value = loss(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]), features=None, epoch=None)
print(value.shape == (), build_backbone("simple_cnn", num_classes=3)(torch.zeros(2, 3, 32, 32)).shape == (2, 3))
"""
    assert _python(code) == "True True"


def _python(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()
