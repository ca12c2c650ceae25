"""The catalogue and the code behind it cannot drift apart."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping

import pytest

from trainers import catalogue
from trainers.catalogue import Entry

CODED: dict[str, Mapping[str, Entry]] = {
    "loss": catalogue.LOSSES,
    "backbone": catalogue.BACKBONES,
    "head": catalogue.HEADS,
    "dataset": catalogue.DATASETS,
    "rule": catalogue.RULES,
}
OUTSIDE_A_GRID = {"fingerprint", "blocks", "learns"}  # what the planner, or the catalogue's own code, fills in


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, table in CODED.items() for name in table])
def test_every_entry_is_what_its_code_accepts(kind: str, name: str) -> None:
    entry = CODED[kind][name]
    parameters = inspect.signature(pkgutil.resolve_name(entry.target)).parameters.values()
    keyword_only = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in OUTSIDE_A_GRID}
    assert {key: value for key, value in keyword_only.items() if value is not inspect.Parameter.empty} == entry.params
    assert {key for key, value in keyword_only.items() if value is inspect.Parameter.empty} == set(entry.required)


@pytest.mark.parametrize("kind", catalogue.NAMED)
def test_no_alias_is_another_entry(kind: str) -> None:
    names = [name for key, entry in catalogue.NAMED[kind][0].items() for name in (key, *entry.aliases)]
    assert len(names) == len(set(names))
