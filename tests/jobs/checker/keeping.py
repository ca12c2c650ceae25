"""A search that was cut, kept in a file and taken up again."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import jobs
from tests.jobs.checker.search import Search


def code() -> str:
    """Tells the code that a search goes by: states that another version reached say nothing of this one."""
    digest = hashlib.sha256()
    for folder in (Path(jobs.__file__).parent, Path(__file__).parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def save(search: Search, path: Path) -> None:
    """Everything but what can be told from the code: a file that is whole, or the one before."""
    kept: dict[str, Any] = {
        "code": code(),
        "shape": search.files.shape,
        "files": (search.files.files, search.files.late),
        "folders": search.folders.values,
        "minds": search.minds.values,
        "layers": search.layers,
        "waiting": search.waiting,
        "counts": search.counts,
    }
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        pickle.dump(kept, file, protocol=pickle.HIGHEST_PROTOCOL)
    fresh.replace(path)


def load(search: Search, path: Path) -> None:
    """Take up a search over the same shape; what each pair leads to is asked of the code again.

    Raises:
        ValueError: the file is of another shape, or of another version of the code.
    """
    with path.open("rb") as file:
        kept = pickle.load(file)  # our own file, named on the command line
    if kept["shape"] != search.files.shape:
        raise ValueError(f"{path} is of another search: {kept['shape']}")
    if kept.get("code") != code():
        raise ValueError(f"{path} was made by other code: remove it to begin anew")
    names, search.files.late = kept["files"]
    for name in names[1:]:
        if name.startswith(".orch/tmp/cmd"):
            search.files.data.setdefault(name, name.partition(" ")[2].encode())
        search.files.file(name)
    for folder in kept["folders"]:
        search.folders.number(folder)
    for mind in kept["minds"]:
        search.minds.number(search.renamer.known(mind))
    search.layers, search.waiting, search.counts = kept["layers"], kept["waiting"], kept["counts"]
    for layer in search.layers:
        search.visited.add(layer.hashes)
